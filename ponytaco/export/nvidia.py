"""Export to the layout of NVIDIA/tacotron2, which FakeYou and uberduck also read."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import torch

from ponytaco.checkpoint.format import Checkpoint, writing_atomically
from ponytaco.config import AudioConfig, ModelConfig
from ponytaco.data.dataset_folder import FilelistError, read_datasets
from ponytaco.export.bundle import Exported, ExportError, open_voice, remarks_on, require_new
from ponytaco.formatting import and_more
from ponytaco.presets import preset, presets_with
from ponytaco.text.symbols import NVIDIA_SYMBOLS

# Settings that NVIDIA's hparams.py fixes or computes.
_NOT_HPARAMS = {"head", "n_frames_per_step"}


def export_nvidia(source: Path, out: Path) -> Exported:
    """Write a voice in the layout of NVIDIA/tacotron2, which FakeYou and uberduck also read.

    The rows of its 148 symbols are taken by symbol. Training can continue there, with a new
    optimizer.

    Args:
        source: a run's folder or a checkpoint, with head 'plain'.
        out: the file to write, as ``Zecora.pt``.

    Raises:
        RunError, CheckpointError: if there is no usable voice, or the file cannot be written.
        ExportError: if NVIDIA's code cannot hold this voice, or ``out`` exists.
    """
    require_new(out)
    checkpoint = open_voice(source)
    model, train = checkpoint.config.model, checkpoint.config.train
    if model.head != "plain":
        raise ExportError(
            f"{source} has the head 'mmi', which NVIDIA's code does not have and no plain head can "
            "replace. Share it as a bundle (--to bundle), or train a voice for that code: "
            f"{_for_nvidia(checkpoint, source)}"
        )
    if model.n_frames_per_step != 1:
        raise ExportError(
            f"{source} makes {model.n_frames_per_step} frames a step; NVIDIA's code speaks only "
            "with 1. Share it as a bundle (--to bundle), or train a voice for that code: "
            f"{_for_nvidia(checkpoint, source)}"
        )
    places = {sign: i for i, sign in enumerate(checkpoint.symbols)}
    missing = [sign for sign in NVIDIA_SYMBOLS if sign not in places]
    if missing:
        raise ExportError(
            f"{source} lacks {len(missing)} of NVIDIA's 148 symbols: {and_more(missing, 12)}. "
            "Share it as a bundle (--to bundle)."
        )
    # mi.* is the CTC head, which those programs refuse.
    state = {k: v for k, v in checkpoint.state_dict.items() if not k.startswith("mi.")}
    rows = torch.tensor([places[sign] for sign in NVIDIA_SYMBOLS])
    state["embedding.weight"] = state["embedding.weight"][rows]
    optimizer = torch.optim.Adam(
        [torch.zeros(0, requires_grad=True) for name in state if _is_parameter(name)],
        lr=train.learning_rate,
        weight_decay=train.weight_decay,
    )
    content = {
        "iteration": checkpoint.run_state.step,
        "state_dict": state,
        "optimizer": optimizer.state_dict(),
        "learning_rate": train.learning_rate,
    }
    with writing_atomically(out) as temporary, temporary.open("wb") as file:
        torch.save(content, file)
    return Exported(
        out, [*remarks_on(checkpoint), *_lost_signs(checkpoint), *_other_hparams(checkpoint)]
    )


def _for_nvidia(checkpoint: Checkpoint, source: Path) -> str:
    """Return the command that trains a voice of the same size for NVIDIA's code."""
    sizes = {
        name: size
        for name, size in dataclasses.asdict(checkpoint.config.model).items()
        if name not in _NOT_HPARAMS and not name.startswith("p_")
    }
    # The last preset that fits is the one for warm starts.
    found = [name for name in presets_with(sizes) if preset(name).frames_per_step[0] <= 2]
    if found:
        given = f"--preset {found[-1]}"
    else:
        defaults = dataclasses.asdict(ModelConfig())
        given = " ".join(f"--set {n}={v}" for n, v in sizes.items() if v != defaults[n])
    return (
        f"ponytaco train DATASET NEW_RUN {given} --head plain --n-frames-per-step 1 "
        f"--warm-start {shlex.quote(str(source))}"
    )


def _lost_signs(checkpoint: Checkpoint) -> list[str]:
    beyond = [sign for sign in checkpoint.symbols if sign not in NVIDIA_SYMBOLS]
    if not beyond:
        return []
    remark = f"Its {len(beyond)} signs beyond NVIDIA's 148 are left out: {' '.join(beyond)}."
    try:
        folders = read_datasets(checkpoint.dataset_folders)
        texts = "".join(clip.text for folder in folders for clip in folder.train)
    except (FilelistError, OSError):
        return [remark]
    learnt = [sign for sign in beyond if sign in texts]
    if learnt:
        remark += f" It has learnt {' '.join(learnt)}, which cannot be used there."
    return [remark]


def _other_hparams(checkpoint: Checkpoint) -> list[str]:
    """Return a remark on changed sizes; the defaults are NVIDIA's."""
    changed = [
        f"{field.name}={getattr(ours, field.name)}"
        for ours, default in (
            (checkpoint.config.model, ModelConfig(head="plain")),
            (checkpoint.config.audio, AudioConfig()),
        )
        for field in dataclasses.fields(default)
        if field.name not in _NOT_HPARAMS
        and not field.name.startswith("p_")
        and getattr(ours, field.name) != getattr(default, field.name)
    ]
    if not changed:
        return []
    return [
        f"It has other sizes than the published model: set {', '.join(changed)} in hparams.py. "
        "FakeYou and uberduck take the published sizes only."
    ]


def _is_parameter(name: str) -> bool:
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
