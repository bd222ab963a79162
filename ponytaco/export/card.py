"""Model cards: what a shared voice was made of, and how well it speaks."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from pathlib import Path

from ponytaco import __version__
from ponytaco.checkpoint.format import Checkpoint
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history

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


def voice_name(path: Path) -> str:
    """What a voice is called that is given by a path: its run, or its file."""
    run = Run(path.resolve().parent)
    if path.is_dir():
        return path.resolve().name
    return (
        run.folder.name if path.name in (run.best_model.name, run.current_model.name) else path.stem
    )


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
    run_state, sizes = checkpoint.run_state, checkpoint.config.model
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
        "step": run_state.step,
        "hours of training": round(run_state.seconds / 3600, 2),
        "aligned": "yes" if run_state.aligned_since is not None else "no",
        "head": sizes.head,
        "parameters": sum(v.numel() for v in checkpoint.state_dict.values()),
        "sample rate": checkpoint.config.audio.sample_rate,
    }
    row = next((r for r in read_history(run.history) if r["step"] == run_state.step), {})
    card.update({said: row[column] for column, said in _SCORES.items() if column in row})
    card.update(_evaluation(run, run_state.step))
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
