"""Export to a bundle: a shared voice in one small file with a model card."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from ponytaco.checkpoint.format import Checkpoint, not_learnt_yet, save_checkpoint
from ponytaco.checkpoint.importing import is_imported, open_voice_file
from ponytaco.errors import PonytacoError
from ponytaco.export.card import model_card
from ponytaco.runs.folder import voice_files
from ponytaco.runs.state import RunState


class ExportError(PonytacoError):
    """A voice cannot be exported like this; the message tells why and what to do instead."""


@dataclasses.dataclass(frozen=True)
class Exported:
    """A written file or folder."""

    path: Path
    remarks: list[str]
    """What is missing in it, or to be minded, one sentence each."""


def open_voice(path: Path) -> Checkpoint:
    """Read the best checkpoint of a run's folder, a checkpoint, or a voice of any program.

    Raises:
        RunError, CheckpointError: if there is no usable voice.
    """
    return open_voice_file(voice_files(path)[0])[0]


def export_bundle(
    source: Path, out: Path, *, name: str = "", licence: str = "", note: str = ""
) -> Exported:
    """Write a shared voice: weights in half precision, all else that speaking needs, and a card.

    It can speak and start another run (warm start), but cannot be resumed: it lacks the optimizer.
    It does not contain the paths of the clips on this machine.

    Args:
        source: a run's folder or a checkpoint.
        out: the file to write, as ``Zecora.voice``.
        name: name of the voice; the folder's name by default.
        licence: what others may do with it.
        note: a remark for the card.

    Raises:
        RunError, CheckpointError: if there is no usable voice, or the file cannot be written.
        ExportError: if ``out`` exists.
    """
    require_new(out)
    checkpoint = open_voice(source)
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
    """Return remarks on a voice that hold for any kind of export."""
    if checkpoint.run_state.aligned_since is not None or is_imported(checkpoint):
        return []
    return [
        f"{not_learnt_yet(checkpoint.run_state.step)} Others will hear babble. Train it until a "
        "validation reports 'aligned', and export it then."
    ]


def _halved(value: Tensor) -> Tensor:
    """Halve the precision of matrices only: vectors are small, and variances may be large."""
    if value.dim() < 2 or not value.is_floating_point():
        return value
    half = value.half()
    return half if torch.isfinite(half).all() else value


def require_new(out: Path) -> None:
    """Refuse to overwrite a file.

    Raises:
        ExportError: if ``out`` exists.
    """
    if out.exists():
        raise ExportError(f"{out} exists already. Move it, or name another file with -o.")
