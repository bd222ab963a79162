"""Model cards: the data, training and scores of a shared voice."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ponytaco import __version__
from ponytaco.checkpoint.format import Checkpoint
from ponytaco.printable import printable
from ponytaco.runs.folder import Run
from ponytaco.runs.history import Column, read_history

NO_LICENCE = "none given: ask the maker before you pass it on or publish what it speaks"

# Columns of the history that the card shows, and their names there.
_SCORES = {
    Column.VAL_LOSS: "validation loss",
    Column.FREE_FOCUS: "focus",
    Column.FREE_COVERAGE: "coverage",
    Column.FREE_FORWARD: "forward",
    Column.FREE_END_REACHED: "end reached",
}
# Scores of an evaluation by their names on the card, with their keys in the report.
_EVALUATION = {
    "words misheard": ("new", "word_error_rate"),
    "words misheard, real clips": ("ceiling", "word_error_rate"),
    "words skipped": ("new", "words_skipped"),
    "words repeated": ("new", "words_repeated"),
    "mel-cepstral distortion, dB": ("clips", "mel_cepstral_distortion_db"),
    "pitch correlation": ("clips", "pitch_correlation"),
}
_LARGEST_SCORE = 1e6
_MOST_CHARACTERS = 2000  # per line of a card


def voice_name(path: Path) -> str:
    """Return a voice's name: that of its run's folder, or of its file."""
    run = Run(path.resolve().parent)
    if path.is_dir():
        return path.resolve().name
    return (
        run.folder.name if path.name in (run.best_model.name, run.current_model.name) else path.stem
    )


def model_card(
    checkpoint: Checkpoint, source: Path, name: str = "", licence: str = "", note: str = ""
) -> dict[str, str | float]:
    """Make the model card of a voice.

    Args:
        checkpoint: the voice.
        source: its path; scores are taken from its run's history and evaluation.
        name: name of the voice; the folder's name by default.
        licence: what others may do with it.
        note: a remark.
    """
    if checkpoint.card is not None:  # a copy of a shared voice keeps its card
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
    row = next((r for r in read_history(run.history) if r[Column.STEP] == run_state.step), {})
    card.update({label: row[column] for column, label in _SCORES.items() if column in row})
    card.update(_evaluation(run, run_state.step))
    return {key: value for key, value in card.items() if value != ""}


def card_text(card: Mapping[str, str | float]) -> str:
    """Format a card as printable lines."""
    lines = []
    width = min(40, max(map(len, card), default=0))
    for key, value in card.items():
        line = f"{key:<{width}}  {value if isinstance(value, str) else _rounded(value)}"
        lines.append(printable(line[:_MOST_CHARACTERS]))
    return "\n".join(lines)


def _rounded(value: float) -> str:
    """Format with two decimals, three below 1, without trailing zeros."""
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}"
    digits = f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3f}"
    return digits.rstrip("0").rstrip(".")


def _evaluation(run: Run, step: int) -> dict[str, float]:
    """Read the scores of ``ponytaco evaluate``, if they are of this step."""
    try:
        content = json.loads(run.evaluation_report.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or content.get("step") != step:
        return {}
    scores: dict[str, float] = {}
    for label, (group, key) in _EVALUATION.items():
        values = content.get(group)
        value: Any = values.get(key) if isinstance(values, dict) else None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and abs(value) < _LARGEST_SCORE:
            scores[f"evaluation: {label}"] = value
    return scores
