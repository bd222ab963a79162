"""Clicks reach every waiting cell of a Run all, in a real kernel without a page."""

import os
import queue
import re
import time
from importlib.metadata import version

import pytest
from support.paths import ROOT

pytest.importorskip("torch")
jupyter_client = pytest.importorskip("jupyter_client.manager")
pytest.importorskip("jupyter_ui_poll")

CELLS = (
    """
import ipywidgets, time
from ponytaco.notebook.widgets.events import can_wait, show_live, widget_events

def wait_for_click(name):
    clicks = []
    button = ipywidgets.Button(description=name)
    button.on_click(clicks.append)
    print(f"{name} is {button.comm.comm_id}", flush=True)
    end = time.monotonic() + 20
    with widget_events() as poll:
        while not clicks and time.monotonic() < end:
            poll()
            time.sleep(0.02)
    print(f"{name} was clicked: {len(clicks)}", flush=True)

assert can_wait()
wait_for_click("first")
""",
    'wait_for_click("second")',
    'wait_for_click("third")',
)


@pytest.mark.skipif(
    int(version("ipykernel").split(".")[0]) > 6, reason="ipykernel 7 needs a page for clicks"
)
def test_the_second_waiting_cell_gets_its_click_too(tmp_path):
    manager, client = jupyter_client.start_new_kernel(
        kernel_name="python3", cwd=str(tmp_path), env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        for cell in CELLS:
            client.execute(cell)
        printed = clicking_all_buttons(client, "third was clicked")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert re.findall(r"(\w+) was clicked: (\d)", printed) == [
        ("first", "1"), ("second", "1"), ("third", "1"),
    ]  # fmt: skip


def clicking_all_buttons(client, last):
    """Click every button that is announced, and return the output up to the last."""
    printed, clicked, end = "", set(), time.monotonic() + 60
    while last not in printed and time.monotonic() < end:
        try:
            message = client.get_iopub_msg(timeout=1)
        except queue.Empty:
            continue
        assert message["msg_type"] != "error", message["content"]
        printed += message["content"].get("text", "") if message["msg_type"] == "stream" else ""
        for comm_id in set(re.findall(r"is (\w{32})", printed)) - clicked:
            clicked.add(comm_id)
            data = {"method": "custom", "content": {"event": "click"}}
            content = {"comm_id": comm_id, "data": data}
            client.shell_channel.send(client.session.msg("comm_msg", content))
    return printed
