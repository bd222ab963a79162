"""Tests that need a GPU; with PONYTACO_GPU_TESTS_DEVICE=cpu most of them also run without one."""

import os

import pytest
import torch

NAME = os.environ.get("PONYTACO_GPU_TESTS_DEVICE", "cuda")


@pytest.fixture(scope="session")
def device():
    if NAME.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip("no CUDA here")
    return torch.device(NAME)


@pytest.fixture(autouse=True)
def whole_float32():
    """Switch off TF32, whose rounding of factors to 11 bits would hide small errors."""
    libraries = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [library.allow_tf32 for library in libraries]
    for library in libraries:
        library.allow_tf32 = False
    yield
    for library, allowed in zip(libraries, before, strict=True):
        library.allow_tf32 = allowed


@pytest.fixture
def measured(record_property):
    """Return a function that takes a name and a value for the summary of the tests."""

    def take(name, value):
        record_property(name, f"{value:.2g}" if isinstance(value, float) else str(value))

    return take


def pytest_terminal_summary(terminalreporter):
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, [])]
    lines = [
        f"{report.nodeid.rpartition('/')[2]}: {name} {value}"
        for report in reports
        if report.when == "call"
        for name, value in report.user_properties
    ]
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(sorted(lines)))
