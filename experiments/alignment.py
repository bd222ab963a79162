"""Forced alignment against given times, and texts that are not what is said.

``python -m experiments.alignment [--quick] [--save]``. The intervals of the shared archives are
taken away and found again (CONTRIBUTING: PONYTACO_SHARED); so are those of the demo voice, which
its synthesiser tells. A tenth of the texts is then exchanged.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from benchmarks.report import Report, options
from data_prep import clip_filter
from data_prep.alignment.aligner import Aligner, Alignment
from data_prep.alignment.pool import pcm16_16khz, verdict
from data_prep.alignment.words import Speller
from data_prep.demo.espeak import write_demo_archive
from data_prep.labels import Interval
from data_prep.options import ClipOptions
from data_prep.soundtools import index_archive, read_clips

EXCHANGED = 0.1
"""Share of clips whose texts are exchanged."""


@dataclass
class Tally:
    """What one archive showed."""

    n_clips: int = 0
    n_failed: int = 0
    speech_seconds: float = 0.0
    cpu_seconds: float = 0.0
    errors: list[float] = field(default_factory=list)
    """Seconds that our phones begin later than the given ones."""
    centred: list[float] = field(default_factory=list)
    """The same, less their median in each clip: some archives' times are a clip's shift off."""
    scores: list[float] = field(default_factory=list)
    found: int = 0
    false: int = 0
    exchanged: int = 0
    exchanged_scores: list[float] = field(default_factory=list)


def main() -> None:
    """Print the tables."""
    arguments = options(__doc__).parse_args()
    report = Report("experiments.alignment", "Phone times by our alignment")
    most = 20 if arguments.quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        demo = Path(folder) / "Demo.tar"
        write_demo_archive(demo, min(most, 200))
        tallies = {path.stem: _measure(path, most) for path in [*_shared(), demo]}
    report.table(
        ["archive", "clips", "failed, %", "phone starts", "median error, ms", "90 %, ms",
         "offset, ms", "median, clips centred", "90 %, clips centred", "times real time, one core"],
        [_times_row(name, tally) for name, tally in tallies.items()],
    )  # fmt: skip
    report.log(
        "The intervals of LJ, Rms and Slt agree with ours to the frame, so they come from an "
        "aligner of the same kind; those of the demo voice are its synthesiser's own."
    )
    report.log(
        f"{EXCHANGED:.0%} of the clips with the text of another clip of the archive, the one of "
        "nearest length; scores are means of log-likelihoods a frame."
    )
    report.table(
        ["archive", "exchanged", "found", "recall", "precision", "right texts listed, %",
         "score, lowest 1 % of right", "score, highest of exchanged"],
        [_suspicion_row(name, tally) for name, tally in tallies.items()],
    )  # fmt: skip
    if arguments.save:
        report.save()


def _shared() -> list[Path]:
    shared = os.environ.get("PONYTACO_SHARED")
    folder = Path(shared or ".") / "data" / "soundtools" / "audio-trimmed-22khz"
    return sorted(folder.glob("*.tar")) if shared else []


def _measure(archive: Path, most: int) -> Tally:
    tally, speller, aligner, seen = Tally(), Speller(), Aligner(), clip_filter.Seen()
    examined = (
        clip_filter.examine(raw, ClipOptions(), seen) for raw in read_clips(index_archive(archive))
    )
    clips = [clip for clip in examined if isinstance(clip, clip_filter.Clip) and clip.tokens][:most]
    other_texts = _neighbours([clip.transcript.text for clip in clips])
    exchanged = set(random.Random(0).sample(range(len(clips)), round(EXCHANGED * len(clips))))
    for number, clip in enumerate(clips):
        samples = pcm16_16khz(clip.waveform, clip.sample_rate)
        began = time.process_time()
        alignment = aligner.align(samples, speller.words(clip.transcript.text))
        tally.cpu_seconds += time.process_time() - began
        tally.speech_seconds += clip.seconds
        tally.n_clips += 1
        _note(tally, alignment, clip.tokens)
        if number in exchanged:
            wrong = aligner.align(samples, speller.words(other_texts[number]))
            tally.exchanged += 1
            tally.found += bool(verdict(wrong).suspicion)
            tally.exchanged_scores += [wrong.score] if wrong else []
        else:
            tally.false += bool(verdict(alignment).suspicion)
    return tally


def _neighbours(texts: Sequence[str]) -> list[str]:
    """Return for each text another, of nearest length: the hardest to tell from it."""
    order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), texts[i]))
    found = list(texts)
    for place, number in enumerate(order):
        others = [n for n in order[max(0, place - 5) : place + 6] if texts[n] != texts[number]]
        found[number] = min(
            (texts[n] for n in others), key=lambda text: abs(len(text) - len(texts[number]))
        )
    return found


def _note(tally: Tally, alignment: Alignment | None, given: Sequence[Interval]) -> None:
    if alignment is None:
        tally.n_failed += 1
        return
    tally.scores.append(alignment.score)
    ours = [phone for phone in alignment.phones if phone.content not in ("sil", "sp")]
    plain = ([phone.content.rstrip("012") for phone in phones] for phones in (given, ours))
    blocks = SequenceMatcher(None, *plain, autojunk=False).get_matching_blocks()
    errors = [
        ours[block.b + i].start - given[block.a + i].start
        for block in blocks
        for i in range(block.size)
    ]
    tally.errors += errors
    tally.centred += list(np.array(errors) - np.median(errors)) if errors else []


def _times_row(name: str, tally: Tally) -> list[object]:
    milliseconds = 1000 * np.array(tally.errors)
    centred = np.round(1000 * np.abs(tally.centred), 3)
    return [
        name, tally.n_clips, 100 * tally.n_failed / tally.n_clips, len(tally.errors),
        *np.percentile(np.abs(milliseconds), [50, 90]), np.median(milliseconds),
        *np.percentile(centred, [50, 90]), tally.speech_seconds / tally.cpu_seconds,
    ]  # fmt: skip


def _suspicion_row(name: str, tally: Tally) -> list[object]:
    listed = tally.found + tally.false
    return [
        name, tally.exchanged, tally.found, tally.found / max(1, tally.exchanged),
        tally.found / max(1, listed), 100 * tally.false / (tally.n_clips - tally.exchanged),
        np.percentile(tally.scores, 1), max(tally.exchanged_scores, default=float("nan")),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
