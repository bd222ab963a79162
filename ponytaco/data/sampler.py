"""The sampler: batches of clips or phrases of like length, in an order that the seed gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ponytaco.data.dataset_folder import FilelistError

# More often than anyone changes the batch size within an epoch; guards against damaged states.
_MOST_CHANGES = 1000


class Pick(NamedTuple):
    """One clip or phrase of a batch, and the spelling in which it is read."""

    clip: int
    use_arpabet: bool
    phrase: int | None = None
    """Which of the clip's phrases; None is the whole clip."""


class BucketSampler:
    """A sampler of batches of clips of similar length.

    An epoch's order follows from the seed and the epoch's number. So the whole state is the number
    of batches of each size drawn in this epoch: with another batch size, or another number of
    processes, the epoch continues with exactly those clips that are left.

    Args:
        lengths: frames of each clip.
        batch_size: clips per batch and process; the last batch of an epoch may have fewer.
        seed: seed of the order and of the spellings.
        p_arpabet: probability that a clip is read from its ARPAbet text, in epochs with letters.
        max_frames: limit of a clip's length, longer ones are left out; 0 keeps all.
        rank: rank of this process.
        n_ranks: number of processes that share each batch.
        arpabet_first: whether all clips are read from their ARPAbet text until ``begin_letters``.
        phrases: frames of the phrases of each clip; none for a clip that cannot be cut.
        p_phrases: probability that a clip is read in phrases in an epoch. If it is not 0, a batch
            has as many frames, padding included, as ``batch_size`` clips of mean length.

    Raises:
        FilelistError: if no clip is short enough.
    """

    # Noise added to the lengths before sorting, as a share, so that batches differ between epochs.
    _BLUR = 0.1

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        p_arpabet: float,
        max_frames: int = 0,
        rank: int = 0,
        n_ranks: int = 1,
        arpabet_first: bool = False,
        phrases: Sequence[Sequence[int]] = (),
        p_phrases: float = 0.0,
    ) -> None:
        self.epoch = 0
        self.position = 0
        """Batches of the present size drawn in this epoch."""
        self.rank = rank
        self.n_ranks = n_ranks
        self._earlier: list[tuple[int, int]] = []  # earlier sizes, and batches drawn of each
        self._all_lengths = np.asarray(lengths)
        self._indices = np.flatnonzero(self._all_lengths <= (max_frames or np.inf))
        if not len(self._indices):
            raise FilelistError(
                f"All {len(lengths)} clips are longer than max_clip_seconds. Raise it."
            )
        self._lengths = self._all_lengths[self._indices]
        self._phrases, self._p_phrases = phrases, p_phrases if phrases else 0.0
        self._letters = self._letters_next = not arpabet_first
        self._size = batch_size * n_ranks
        self._seed = seed
        self._p_arpabet = p_arpabet
        self._n_batches = len(self.remaining())

    def remaining(self) -> list[list[Pick]]:
        """List this epoch's batches that have not been drawn, each for all processes."""
        rng = np.random.default_rng((self._seed, self.epoch))
        blur = 1 + self._BLUR * rng.random(len(self._lengths))
        p_arpabet = self._p_arpabet if self._letters else 1.0
        spellings = rng.random(len(self._lengths)) < p_arpabet
        picks = [Pick(int(i), bool(s)) for i, s in zip(self._indices, spellings, strict=True)]
        if self._p_phrases:
            are_cut = rng.random(len(picks)) < self._p_phrases
            picks = [
                p
                for pick, is_cut in zip(picks, are_cut, strict=True)
                for p in (self._in_phrases(pick) if is_cut else [pick])
            ]
            blur = 1 + self._BLUR * rng.random(len(picks))
        lengths = [self._n_frames(pick) for pick in picks]
        picks = [picks[i] for i in np.argsort(lengths * blur)]
        for size, n_drawn in self._earlier:
            batches = self._batches(picks, size)
            left = np.sort(rng.permutation(len(batches))[n_drawn:])
            picks = [pick for i in left for pick in batches[i]]
        batches = self._batches(picks, self._size)
        return [batches[i] for i in rng.permutation(len(batches))][self.position :]

    @property
    def reads_letters(self) -> bool:
        """Whether clips that have pronunciations are also read from their letters."""
        return self._letters and self._p_arpabet < 1

    def begin_letters(self) -> None:
        """Also read clips from their letters, from the next epoch on, or from this one if new.

        Within an epoch it must not change, or a resumed run would read other spellings.
        """
        self._letters_next = True
        if not self.position and not self._earlier:
            self._letters = True

    def shard(self, batch: Sequence[Pick]) -> list[Pick]:
        """Return this process's clips of a batch; none if there are fewer clips than processes.

        A batch is sorted by length, so that every shard has short and long ones.
        """
        return list(batch[self.rank :: self.n_ranks])

    def advance(self) -> None:
        """Count a batch as drawn."""
        self.position += 1
        if self.position >= self._n_batches:
            self._begin(self.epoch + 1)

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the data: the epoch, and a list of [batch size, batches drawn]."""
        drawn = [*self._earlier, *([(self._size, self.position)] if self.position else [])]
        return {
            "epoch": self.epoch,
            "drawn": [list(pair) for pair in drawn],
            "letters": [self._letters, self._letters_next],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a position in the data.

        Raises:
            LookupError, TypeError, ValueError: if the state is invalid.
        """
        drawn = [(int(size), int(n)) for size, n in state["drawn"]]
        if len(drawn) > _MOST_CHANGES or any(size < 1 or n < 0 for size, n in drawn):
            raise ValueError("the position in the data is impossible")
        self._begin(int(state["epoch"]))
        self._letters, self._letters_next = map(bool, state["letters"])
        if drawn and drawn[-1][0] == self._size:
            self.position = drawn.pop()[1]
        self._earlier = drawn
        self._n_batches = self.position + len(self.remaining())
        if self.position >= self._n_batches:  # other settings exclude the clips that were left
            self._begin(self.epoch + 1)

    def _begin(self, epoch: int) -> None:
        self.epoch, self.position, self._earlier = epoch, 0, []
        self._letters = self._letters_next
        self._n_batches = len(self.remaining())

    def _in_phrases(self, pick: Pick) -> list[Pick]:
        n_phrases = len(self._phrases[pick.clip])
        return [pick._replace(phrase=i) for i in range(n_phrases)] or [pick]

    def _n_frames(self, pick: Pick) -> int:
        if pick.phrase is None:
            return int(self._all_lengths[pick.clip])
        return self._phrases[pick.clip][pick.phrase]

    def _batches(self, picks: list[Pick], size: int) -> list[list[Pick]]:
        """Cut a sorted list into batches of ``size`` clips, or with phrases of their frames."""
        if not self._p_phrases:
            return [picks[start : start + size] for start in range(0, len(picks), size)]
        most_frames = size * self._lengths.mean()
        batches: list[list[Pick]] = [[]]
        longest = 0
        for pick in picks:
            longest = max(longest, self._n_frames(pick))
            if batches[-1] and longest * (len(batches[-1]) + 1) > most_frames:
                batches.append([])
                longest = self._n_frames(pick)
            batches[-1].append(pick)
        return batches
