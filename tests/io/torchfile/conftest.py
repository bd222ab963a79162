import resource
import time

import pytest


@pytest.fixture
def little_memory():
    """Whatever takes more than 256 MB fails with a MemoryError."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def costs_little(little_memory):
    """And the test takes at most two seconds of a processor."""
    start = time.process_time()
    yield
    assert time.process_time() - start < 2
