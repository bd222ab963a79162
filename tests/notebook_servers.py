"""Notebook servers to drive: the classic one as on Colab, and JupyterLab of today."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


@dataclass
class Classic:
    """Notebook 6.5.7, in the environment that runs the tests."""

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
    """The newest JupyterLab, in an environment of its own."""

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
        page.wait_for_selector(
            ".jp-NotebookPanel-toolbar [data-status=idle], "
            ".jp-Notebook-ExecutionIndicator[data-status=idle]",
            state="attached",
        )
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()


@contextlib.contextmanager
def running(kind: type, folder: Path, environment: dict[str, str]) -> Iterator[Classic | Lab]:
    """Start a server on a free port, and stop it with its kernels."""
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
            start_new_session=True,
        )
        try:
            wait_for(lambda: answers(port) or process.poll() is not None, 60, "the server")
            assert process.poll() is None, (folder / "server.log").read_text()
            yield server
        finally:
            with contextlib.suppress(OSError):
                end_kernels(port)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def answers(port: int) -> bool:
    try:
        return bool(api(port, "GET", "/api"))
    except OSError:
        return False


def end_kernels(port: int) -> None:
    """What a disconnect does: the kernel and all it knew are gone."""
    for session in api(port, "GET", "/api/sessions"):
        api(port, "DELETE", f"/api/sessions/{session['id']}")


def api(port: int, method: str, path: str):
    address = f"http://127.0.0.1:{port}"
    # The servers refuse changes from other pages; they look for the cookie's token to tell.
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    token = ""
    if method != "GET":
        with contextlib.suppress(urllib.error.HTTPError):
            opener.open(f"{address}/tree", timeout=10).read()
        for handler in opener.handlers:
            for cookie in getattr(handler, "cookiejar", ()):
                token = cookie.value if cookie.name == "_xsrf" else token
    request = urllib.request.Request(
        address + path, method=method, headers={"X-XSRFToken": token, "Referer": address}
    )
    with opener.open(request, timeout=20) as answer:
        content = answer.read()
    return json.loads(content) if content else None


def wait_for(condition, seconds: float, what: str):
    """Wait for a condition to come true, and return what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
