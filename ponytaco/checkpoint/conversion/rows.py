"""Rows of a weight that have a meaning of their own, and where another model has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rows:
    """Where each of our rows is among theirs; None where they have none."""

    places: list[int | None]
    n_theirs: int
    how: str
    """In words, for a report."""

    @property
    def is_plain(self) -> bool:
        """Whether every row is where ours is."""
        return self.places == list(range(self.n_theirs))


def by_sign(ours: Sequence[str], theirs: Sequence[str]) -> list[int | None]:
    """The place of each of our signs in their table; None where they lack it."""
    places = {sign: i for i, sign in enumerate(theirs)}
    return [places.get(sign) for sign in ours]


def of_frames(
    of_one: Iterable[int | None], n_rows: int, n_theirs: int, r_there: int, r: int
) -> Rows | None:
    """Rows of an output that makes several frames a step, each frame's together.

    A step's first frame follows the frame that it is fed, in any model; a frame beyond theirs
    begins like their last.

    Args:
        of_one: for each of our rows of one frame their row of it.
        n_rows: their rows of one frame.
        n_theirs: all of their rows.
        r_there: their frames a step.
        r: our frames a step.

    Returns:
        None where their rows are not as many as they should be.
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
