"""Notebook servers for browser tests: the classic one as on Colab, and the newest JupyterLab."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil


@dataclass
class Classic:
    """Notebook 6.5, in the environment that runs the tests."""

    folder: Path
    port: int
    name: ClassVar[str] = "classic"

    def command(self) -> list[str]:
        return [
            sys.executable, "-m", "notebook", "--no-browser", "--allow-root", "--ip=127.0.0.1",
            f"--port={self.port}", "--NotebookApp.token=", "--NotebookApp.password=",
            f"--notebook-dir={self.folder}",
        ]  # fmt: skip

    def address(self, notebook: str) -> str:
        return f"http://127.0.0.1:{self.port}/notebooks/{notebook}"

    def run_all(self, page) -> None:
        page.wait_for_selector("#kernel_indicator_icon.kernel_idle_icon", state="attached")
        page.click("#celllink")
        page.click("#run_all_cells a")


@dataclass
class Lab:
    """The newest JupyterLab, in its own environment."""

    folder: Path
    port: int
    name: ClassVar[str] = "lab"

    def command(self) -> list[str]:
        return [
            os.environ["PONYTACO_LAB_PYTHON"], "-m", "jupyterlab", "--no-browser", "--allow-root",
            "--ip=127.0.0.1", f"--port={self.port}", "--IdentityProvider.token=",
            f"--ServerApp.root_dir={self.folder}", "--LabApp.news_url=",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]  # fmt: skip

    def address(self, notebook: str) -> str:
        return f"http://127.0.0.1:{self.port}/lab/tree/{notebook}?reset"

    def run_all(self, page) -> None:
        # Earlier, Run All would ask for a kernel.
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()


@contextlib.contextmanager
def running(kind: type, folder: Path, environment: dict[str, str]) -> Iterator[Classic | Lab]:
    """Run a server on a free port, and kill it with its kernels in the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = kind(folder, port)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            server.command(),
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(lambda: answers(port) or process.poll() is not None, 60, "the server")
            assert process.poll() is None, (folder / "server.log").read_text()
            yield server
        finally:
            end(process.pid)
            process.wait(20)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


def end(pid: int) -> None:
    """Kill a server and its kernels, which are its children, as abruptly as Colab does."""
    with contextlib.suppress(psutil.NoSuchProcess):
        server = psutil.Process(pid)
        for process in [*server.children(recursive=True), server]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def wait_for(condition, seconds: float, what: str):
    """Wait until a condition is true, and return its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
