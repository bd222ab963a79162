"""Voices to share: one small file with a card, or weights for NVIDIA's code."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from ponytaco.checkpoint.format import Checkpoint, load_checkpoint, not_learnt_yet, save_checkpoint
from ponytaco.errors import PonytacoError
from ponytaco.export.card import model_card
from ponytaco.runs.folder import voice_files
from ponytaco.runs.state import RunState


class ExportError(PonytacoError):
    """A voice cannot be exported so; the text says why and what to do instead."""


@dataclasses.dataclass(frozen=True)
class Exported:
    """A written file or folder."""

    path: Path
    remarks: list[str]
    """What is not in it, or to be minded, one sentence each."""


def open_voice(path: Path) -> Checkpoint:
    """The voice of a run's folder, a checkpoint or a shared voice.

    Raises:
        RunError, CheckpointError: there is none.
    """
    return load_checkpoint(voice_files(path)[0])


def export_bundle(
    source: Path, out: Path, *, name: str = "", licence: str = "", note: str = ""
) -> Exported:
    """Write a voice to share: weights in half precision, all that speaking needs, and a card.

    It speaks, and can begin another run, but no run can go on from it: it lacks the optimizer.
    Where the clips lay on this machine is not in it.

    Args:
        source: a run's folder or a checkpoint.
        out: the file to write, as ``Zecora.voice``.
        name: the voice's; the folder's if left out.
        licence: what others may do with it.
        note: anything else to say.

    Raises:
        RunError, CheckpointError: there is no usable voice, or it cannot be written.
        ExportError: ``out`` is there already.
    """
    _require_new(out)
    checkpoint = open_voice(source)
    checkpoint.check_shapes()
    bundle = dataclasses.replace(
        checkpoint,
        state_dict={key: _halved(value) for key, value in checkpoint.state_dict.items()},
        run_state=RunState(
            step=checkpoint.run_state.step,
            seconds=checkpoint.run_state.seconds,
            aligned_since=checkpoint.run_state.aligned_since,
            first_aligned=checkpoint.run_state.first_aligned,
        ),
        trained=None,
        optimizer=None,
        scaler=None,
        sampler=None,
        rng=None,
        fingerprint="",
        dataset="",
        card=model_card(checkpoint, source, name, licence, note),
    )
    save_checkpoint(out, bundle)
    return Exported(out, remarks_on(checkpoint))


def remarks_on(checkpoint: Checkpoint) -> list[str]:
    """What to mind of a voice, whatever it is exported to."""
    if checkpoint.run_state.aligned_since is not None:
        return []
    return [
        f"{not_learnt_yet(checkpoint.run_state.step)} Others will hear babble. Train it until the "
        "validations say 'aligned', and export it then."
    ]


def _halved(value: Tensor) -> Tensor:
    """Matrices in half precision; small vectors cost nothing, and variances may be large."""
    if value.dim() < 2 or not value.is_floating_point():
        return value
    half = value.half()
    return half if torch.isfinite(half).all() else value


def _require_new(out: Path) -> None:
    if out.exists():
        raise ExportError(f"{out} is there already. Move it, or name another file with -o.")
