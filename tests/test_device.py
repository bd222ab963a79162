"""Devices, and what is asked of the system before computing on the CPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ponytaco.config import ConfigError
from ponytaco.device import choose_device

_LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")

# All that training imports, then a tensor of 256 MB: 65,536 small pages.
_FAULTS = """
import resource
import torch
import ponytaco.training
from ponytaco.device import choose_device

choose_device("cpu")
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.empty(2**26).fill_(1.0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_auto_and_names():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda")
    with pytest.raises(ConfigError, match="no device 'tpu7'"):
        choose_device("tpu7")


@pytest.mark.slow
@pytest.mark.skipif(
    not _LARGE_PAGES.is_file() or "[never]" in _LARGE_PAGES.read_text(encoding="utf-8"),
    reason="this system has no large pages",
)
def test_large_tensors_lie_on_large_pages():
    done = subprocess.run(
        [sys.executable, "-c", _FAULTS],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 20_000


def test_who_wants_small_pages_keeps_them(monkeypatch):
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    choose_device("cpu")
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"


def test_shapes_alone_take_no_memory_and_no_time():
    """Torch's compiler would take seconds and 80 MB to load, in each command that speaks."""
    code = """
import sys, torch
from ponytaco.device import shapes_only
with shapes_only():
    layer, table = torch.nn.Linear(10**6, 10**6), torch.nn.Embedding(10**9, 10**3)
assert layer.weight.shape == (10**6, 10**6) and table.weight.device.type == "meta"
assert "torch._dynamo" not in sys.modules and "sympy" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
    assert torch.nn.Linear(3, 4).weight.std() > 0
