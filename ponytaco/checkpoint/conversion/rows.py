"""Mapping of rows with a meaning of their own (symbols, frames) between two models' weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rows:
    """The index of each of our rows among theirs; None for rows that they lack."""

    places: list[int | None]
    n_theirs: int
    how: str
    """Description for a report."""

    @property
    def is_plain(self) -> bool:
        """Whether all rows have the same index."""
        return self.places == list(range(self.n_theirs))


def by_sign(ours: Sequence[str], theirs: Sequence[str]) -> list[int | None]:
    """Return the index of each of our symbols in their table; None for those they lack."""
    places = {sign: i for i, sign in enumerate(theirs)}
    return [places.get(sign) for sign in ours]


def of_frames(
    of_one: Iterable[int | None], n_rows: int, n_theirs: int, r_there: int, r: int
) -> Rows | None:
    """Map the rows of an output layer, of which each frame of a step has a block.

    A step's first frame follows the frame that it is fed, at any reduction factor; frames beyond
    theirs start as copies of their last.

    Args:
        of_one: for each of our rows of one frame, their row of it.
        n_rows: their rows of one frame.
        n_theirs: number of all their rows.
        r_there: their reduction factor.
        r: our reduction factor.

    Returns:
        The mapping; None if they do not have ``r_there * n_rows`` rows.
    """
    if n_theirs != r_there * n_rows:
        return None
    of_one = list(of_one)
    places = [
        None if place is None else min(frame, r_there - 1) * n_rows + place
        for frame in range(r)
        for place in of_one
    ]
    how = f"from {r_there} to {r} frames a step"
    return Rows(places, n_theirs, how if r_there != r else "rows by sign")
