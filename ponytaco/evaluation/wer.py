"""Is it understood? Recognisers that write down what is said, and the word error rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Fewest words to insert, delete or replace that turn one sequence into the other.

    Args:
        reference: words that were to be said.
        hypothesis: words that were heard.

    Returns:
        The edit distance (Levenshtein) in words.
    """
    costs = list(range(len(hypothesis) + 1))
    for i, said in enumerate(reference, start=1):
        diagonal, costs[0] = costs[0], i
        for j, heard in enumerate(hypothesis, start=1):
            replaced = diagonal + (said != heard)
            diagonal = costs[j]
            costs[j] = min(replaced, costs[j] + 1, costs[j - 1] + 1)
    return costs[-1]


def word_error_rate(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> float:
    """Errors of all clips over the words of all clips.

    Args:
        pairs: of each clip the reference and the hypothesis.

    Returns:
        0 where every word was understood; above 1 where more was heard than said.

    Raises:
        ValueError: if the references hold no word.
    """
    errors = words = 0
    for reference, hypothesis in pairs:
        errors += word_errors(reference, hypothesis)
        words += len(reference)
    if words == 0:
        raise ValueError("there is no word in the references, so there is no error rate")
    return errors / words
