"""Word error rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Count the words to insert, delete or replace to turn one sequence into the other.

    Args:
        reference: words that should be heard.
        hypothesis: words that were heard.

    Returns:
        The edit distance (Levenshtein) in words.
    """
    costs = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, start=1):
        diagonal, costs[0] = costs[0], i
        for j, heard in enumerate(hypothesis, start=1):
            replaced = diagonal + (expected != heard)
            diagonal = costs[j]
            costs[j] = min(replaced, costs[j] + 1, costs[j - 1] + 1)
    return costs[-1]


def word_error_rate(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> float:
    """Divide the errors of all clips by the words of all references.

    Args:
        pairs: each clip's reference and hypothesis.

    Returns:
        0 where every word was understood; above 1 where there are more errors than words.

    Raises:
        ValueError: the references hold no word.
    """
    errors = words = 0
    for reference, hypothesis in pairs:
        errors += word_errors(reference, hypothesis)
        words += len(reference)
    if words == 0:
        raise ValueError("there is no word in the references, so there is no error rate")
    return errors / words


def understood_share(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> float | None:
    """Return the share of words understood, 0 to 1, over all texts.

    A text has at most as many errors as words: what a recogniser makes up beyond it, as Whisper
    does of noise, does not count against other texts.

    Args:
        pairs: each text's reference and hypothesis.

    Returns:
        None if the references hold no word.
    """
    errors = words = 0
    for reference, hypothesis in pairs:
        errors += min(len(reference), word_errors(reference, hypothesis))
        words += len(reference)
    return 1 - errors / words if words else None
