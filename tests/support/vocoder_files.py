"""Small vocoders as files: the golden ones and random ones, and how much they compute at once."""

import numpy as np
import torch
from support.paths import GOLDEN
from torch.utils._python_dispatch import TorchDispatchMode


def golden(name):
    """A golden file's weights and its other arrays, as tensors."""
    with np.load(GOLDEN / f"{name}_tiny.npz") as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files if key != "config"}
    state = {k.removeprefix("state/"): v for k, v in arrays.items() if k.startswith("state/")}
    return state, {k: v for k, v in arrays.items() if not k.startswith("state/")}


def save(path, content):
    torch.save(content, path)
    return path


class LargestTensor(TorchDispatchMode):
    """Notes the bytes of the largest tensor that anything computes."""

    def __init__(self):
        super().__init__()
        self.n_bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for part in out if isinstance(out, tuple | list) else [out]:
            if isinstance(part, torch.Tensor):
                self.n_bytes = max(self.n_bytes, part.nbytes)
        return out


def largest_tensors(vocode, n_mels, lengths):
    """Bytes of the largest tensor, for a mel of each length (frames)."""
    largest = []
    for n_frames in lengths:
        with LargestTensor() as noted:
            vocode(torch.zeros(1, n_mels, n_frames))
        largest.append(noted.n_bytes)
    return largest


def reach(vocode, n_mels, n_frames, hop_length):
    """Frames to either side of the middle one that its change is heard in."""
    mel = torch.randn(1, n_mels, n_frames, generator=torch.Generator().manual_seed(0))
    changed = mel.clone()
    middle = n_frames // 2
    changed[..., middle] += 3
    is_other = (vocode(mel) != vocode(changed)).view(n_frames, hop_length).any(dim=1)
    frames = is_other.nonzero()
    return max(middle - int(frames.min()), int(frames.max()) - middle)
