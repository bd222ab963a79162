"""The text frontend of a voice, which needs its checkpoint but neither its model nor a vocoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ponytaco.checkpoint.format import Checkpoint
from ponytaco.checkpoint.importing import is_imported, open_voice_file
from ponytaco.runs.folder import voice_files
from ponytaco.text.frontend import USUAL_LIMIT, TextFrontend
from ponytaco.text.lexicon import Lexicon
from ponytaco.text.pronouncer import Pronouncer, english_pronouncer

# Even for a voice of very short clips: utterances of two words sound worse than a voice that reads
# a little beyond what it has learnt.
_LEAST_LIMIT = 40


def voice_frontend(
    checkpoint: Checkpoint,
    given: Sequence[Lexicon],
    log: Callable[[str], None],
    max_symbols: int = 0,
) -> TextFrontend:
    """Return the frontend that reads texts for a voice.

    Args:
        checkpoint: the voice.
        given: the user's dictionaries.
        log: takes a sentence about dictionaries that are not used.
        max_symbols: longer sentences are cut; 0 takes the longest text that the voice has learnt.
    """
    return TextFrontend(
        checkpoint.symbols,
        checkpoint.config.train.cleaner,
        _pronouncer(checkpoint, given, log),
        max_symbols or max(_LEAST_LIMIT, checkpoint.longest_text or USUAL_LIMIT),
        checkpoint.seen_symbols,
    )


def open_frontend(path: Path, given: Sequence[Lexicon], log: Callable[[str], None]) -> TextFrontend:
    """Open the frontend of a run's folder, a checkpoint, or another voice's file.

    Raises:
        RunError, CheckpointError: there is no usable checkpoint.
    """
    checkpoint, notes = open_voice_file(voice_files(path)[0])
    for note in notes:
        log(note)
    return voice_frontend(checkpoint, given, log)


def _pronouncer(
    checkpoint: Checkpoint, given: Sequence[Lexicon], log: Callable[[str], None]
) -> Pronouncer | None:
    """Return the pronunciations to use; None for a voice that knows letters only."""
    own = Lexicon(
        {word: tuple(phones.split()) for word, phones in checkpoint.lexicon.items()},
        "the voice's lexicon",
    )
    settings = checkpoint.config.train
    if settings.p_arpabet > 0 and (own.entries or is_imported(checkpoint)):
        is_english = settings.cleaner == "english"
        return english_pronouncer([*given, own]) if is_english else Pronouncer([*given, own])
    if is_imported(checkpoint):  # whether it knows phones is unknown: as the user wants it
        return Pronouncer(given)
    if given:
        log("This voice was trained on letters alone, so the dictionary is not used.")
    return None
