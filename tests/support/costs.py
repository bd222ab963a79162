"""What reading a file costs: processor time, and memory above what the process had before."""

import contextlib
import time

MB = 2**20


@contextlib.contextmanager
def at_most(seconds=2.0, n_bytes=200 * MB):
    """Fail if the block takes more processor time, or memory at its peak."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # forgets the peak so far
    before, start = _memory("VmRSS"), time.process_time()
    yield
    took, grew = time.process_time() - start, _memory("VmHWM") - before
    assert took < seconds and grew < n_bytes, f"{took:.1f} s, {grew / MB:.0f} MB"


def _memory(name):
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith(name)]
    return int(line.split()[1]) * 1024
