"""Voices to share: one small file with a card, or weights for NVIDIA's code."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import shlex
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ponytaco import __version__
from ponytaco.checkpoint import (
    Checkpoint,
    load_checkpoint,
    not_learnt_yet,
    save_checkpoint,
    save_whole,
)
from ponytaco.config import AudioConfig, ModelConfig
from ponytaco.filelists import FilelistError, read_datasets
from ponytaco.presets import preset, presets_with
from ponytaco.progress import Progress
from ponytaco.run import Run, read_history, voice_files
from ponytaco.text import NVIDIA_SYMBOLS

NO_LICENCE = "none given: ask the maker before you pass it on or publish what it says"

# A history's scores that a card has, with what they are there.
_SCORES = {
    "val_loss": "validation loss",
    "free_focus": "focus",
    "free_coverage": "coverage",
    "free_forward": "forward",
    "free_end_reached": "end reached",
}
# An evaluation's, with the place in its report.
_EVALUATION = {
    "words misheard": ("new", "word_error_rate"),
    "words misheard, real clips": ("ceiling", "word_error_rate"),
    "words skipped": ("new", "words_skipped"),
    "words repeated": ("new", "words_repeated"),
    "distortion, decibels": ("clips", "distortion_decibels"),
    "pitch correlation": ("clips", "pitch_correlation"),
}
_MOST_CHARACTERS = 2000  # of a card's line
# What NVIDIA's hparams.py fixes or computes; dropouts do not matter to speak.
_NOT_HPARAMS = {"head", "n_frames_per_step"}


class ExportError(ValueError):
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


def voice_name(path: Path) -> str:
    """What a voice is called that is given by a path: its run, or its file."""
    run = Run(path.resolve().parent)
    if path.is_dir():
        return path.resolve().name
    return (
        run.folder.name if path.name in (run.best_model.name, run.current_model.name) else path.stem
    )


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
        progress=Progress(
            step=checkpoint.progress.step,
            seconds=checkpoint.progress.seconds,
            aligned_since=checkpoint.progress.aligned_since,
            first_aligned=checkpoint.progress.first_aligned,
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


def model_card(
    checkpoint: Checkpoint, source: Path, name: str = "", licence: str = "", note: str = ""
) -> dict[str, str | float]:
    """What a voice says of itself: what it learnt from, how long, and how well it speaks.

    Args:
        checkpoint: the voice.
        source: where it is from; scores are taken from its run's history and evaluation.
        name: the voice's; the folder's if left out.
        licence: what others may do with it.
        note: anything else to say.
    """
    if checkpoint.card is not None:  # a copy of a shared voice says what that one said
        given = {"name": name, "licence": licence, "note": note}
        return {**checkpoint.card, **{key: value for key, value in given.items() if value}}
    run = Run(source if source.is_dir() else source.parent)
    progress, sizes = checkpoint.progress, checkpoint.config.model
    card: dict[str, str | float] = {
        "name": name or voice_name(source),
        "licence": licence or NO_LICENCE,
        "note": note,
        "made with": f"ponytaco {checkpoint.version or __version__}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "data": ", ".join(folder.name for folder in checkpoint.dataset_folders),
        "clips": checkpoint.clips,
        "minutes": round(checkpoint.minutes, 1),
        "words in lexicon": len(checkpoint.lexicon),
        "step": progress.step,
        "hours of training": round(progress.seconds / 3600, 2),
        "aligned": "yes" if progress.aligned_since is not None else "no",
        "head": sizes.head,
        "parameters": sum(v.numel() for v in checkpoint.state_dict.values()),
        "sample rate": checkpoint.config.audio.sample_rate,
    }
    row = next((r for r in read_history(run.history) if r["step"] == progress.step), {})
    card.update({said: row[column] for column, said in _SCORES.items() if column in row})
    card.update(_evaluation(run, progress.step))
    return {key: value for key, value in card.items() if value != ""}


def card_text(card: Mapping[str, str | float]) -> str:
    """A card in lines for people; a stranger's cannot steer a terminal with it."""
    lines = []
    width = min(40, max(map(len, card), default=0))
    for key, value in card.items():
        said = value if isinstance(value, str) else _rounded(value)
        line = f"{key:<{width}}  {said}"
        lines.append("".join(c if c.isprintable() else " " for c in line[:_MOST_CHARACTERS]))
    return "\n".join(lines)


def _rounded(value: float) -> str:
    """Two digits behind the point, three of what is less than 1, and none that are 0."""
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}"
    digits = f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3f}"
    return digits.rstrip("0").rstrip(".")


def remarks_on(checkpoint: Checkpoint) -> list[str]:
    """What to mind of a voice, whatever it is exported to."""
    if checkpoint.progress.aligned_since is not None:
        return []
    return [
        f"{not_learnt_yet(checkpoint.progress.step)} Others will hear babble. Train it until the "
        "validations say 'aligned', and export it then."
    ]


def export_nvidia(source: Path, out: Path) -> Exported:
    """Write a voice in the layout of NVIDIA/tacotron2, which FakeYou and uberduck read, too.

    Its 148 symbols are filled by their sign. The file also goes on training there, beginning with
    a fresh optimizer.

    Args:
        source: a run's folder or a checkpoint, with head 'plain'.
        out: the file to write, as ``Zecora.pt``.

    Raises:
        RunError, CheckpointError: there is no usable voice, or it cannot be written.
        ExportError: NVIDIA's code cannot hold this voice, or ``out`` is there already.
    """
    _require_new(out)
    checkpoint = open_voice(source)
    checkpoint.check_shapes()
    model, train = checkpoint.config.model, checkpoint.config.train
    if model.head != "plain":
        raise ExportError(
            f"{source} has the head 'mmi', whose layers NVIDIA's code does not know, and no plain "
            "head computes the same. Share it as a bundle (--to bundle), or train a voice for that "
            f"code: {_for_nvidia(checkpoint, source)}"
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
            f"{source} does not know {len(missing)} of NVIDIA's 148 symbols: "
            f"{' '.join(missing[:12])}. Share it as a bundle (--to bundle)."
        )
    # mi.* is the recogniser, which those programs refuse.
    state = {k: v for k, v in checkpoint.state_dict.items() if not k.startswith("mi.")}
    rows = torch.tensor([places[sign] for sign in NVIDIA_SYMBOLS])
    state["embedding.weight"] = state["embedding.weight"][rows]
    optimizer = torch.optim.Adam(
        [torch.zeros(0, requires_grad=True) for name in state if _is_parameter(name)],
        lr=train.learning_rate,
        weight_decay=train.weight_decay,
    )
    save_whole(
        out,
        {
            "iteration": checkpoint.progress.step,
            "state_dict": state,
            "optimizer": optimizer.state_dict(),
            "learning_rate": train.learning_rate,
        },
    )
    return Exported(
        out, [*remarks_on(checkpoint), *_lost_signs(checkpoint), *_other_hparams(checkpoint)]
    )


def _for_nvidia(checkpoint: Checkpoint, source: Path) -> str:
    """The command that trains a voice of the same size as NVIDIA's code wants it."""
    sizes = {
        name: size
        for name, size in dataclasses.asdict(checkpoint.config.model).items()
        if name not in _NOT_HPARAMS and not name.startswith("p_")
    }
    # Of those that fit, the last is made for warm starts.
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
        remark += f" It has learnt {' '.join(learnt)}, and cannot be told them there."
    return [remark]


def _other_hparams(checkpoint: Checkpoint) -> list[str]:
    """NVIDIA's defaults are ours, so that only what was changed must be said."""
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


def _halved(value: Tensor) -> Tensor:
    """Matrices in half precision; small vectors cost nothing, and variances may be large."""
    if value.dim() < 2 or not value.is_floating_point():
        return value
    half = value.half()
    return half if torch.isfinite(half).all() else value


def _evaluation(run: Run, step: int) -> dict[str, float]:
    """The numbers of ``ponytaco evaluate``, if it judged this very step."""
    try:
        content = json.loads(run.evaluation_report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or content.get("step") != step:
        return {}
    scores: dict[str, float] = {}
    for said, (group, key) in _EVALUATION.items():
        values = content.get(group)
        value = values.get(key) if isinstance(values, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            scores[f"evaluation: {said}"] = value
    return scores


def _require_new(out: Path) -> None:
    if out.exists():
        raise ExportError(f"{out} is there already. Move it, or name another file with -o.")
