"""Clips and their texts from long recordings: voice activity detection, then Whisper.

faster-whisper does both; Silero's voice activity detector is in its wheel.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep.audio import Waveform, decode_span
from data_prep.layouts.found import Found, LeftOut, Recording, RecordingsError
from data_prep.sound_files import SOUND_SUFFIXES, AudioError
from ponytaco.printable import printable

SAMPLE_RATE = 16_000
"""Hz, of the detector and of Whisper."""

SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 12.0
"""Of a clip."""

PAUSE_SECONDS = 0.3
"""Shortest silence at which a recording is cut."""

MARGIN_SECONDS = 0.1
"""Silence kept around each clip, as far as there is any."""

JOINED_SECONDS = 1.0
"""Longest pause within a clip, where one side of it would be too short alone."""

WINDOW_SECONDS = 110.0
"""What is in memory at once."""

MODEL = "small"
"""Whisper's, from its hub."""

Span = tuple[float, float]
"""Start and end in seconds of the recording."""


class Transcriber:
    """Cuts recordings at pauses and writes down what is said.

    Args:
        model: name of a Whisper model in its hub, or a folder with one in CTranslate2's format.

    Raises:
        RecordingsError: faster-whisper is not installed, or there is no such model.
    """

    def __init__(self, model: str = MODEL) -> None:
        if importlib.util.find_spec("faster_whisper") is None:
            raise RecordingsError(
                "Transcription needs faster-whisper, which is not installed here. "
                'Run: pip install "ponytaco[transcribe]".'
            )
        whisper: Any = importlib.import_module("faster_whisper")
        self._vad: Any = importlib.import_module("faster_whisper.vad")
        try:
            self._model = whisper.WhisperModel(model, compute_type="int8")
        except Exception as error:  # of the hub, or of CTranslate2
            raise RecordingsError(
                f"Whisper's model {model} cannot be opened ({str(error)[:200]}). Without a "
                "connection give a folder with a model in CTranslate2's format: --whisper FOLDER"
            ) from None

    def speech(self, waveform: Waveform) -> list[Span]:
        """Find the stretches of speech between pauses.

        Args:
            waveform: (T_wav,) at 16 kHz.
        """
        options = self._vad.VadOptions(
            min_silence_duration_ms=round(1000 * PAUSE_SECONDS),
            speech_pad_ms=round(1000 * MARGIN_SECONDS),
            max_speech_duration_s=LONGEST_SECONDS - 2 * MARGIN_SECONDS,
        )
        return [
            (found["start"] / SAMPLE_RATE, found["end"] / SAMPLE_RATE)
            for found in self._vad.get_speech_timestamps(waveform, options)
        ]

    def text(self, waveform: Waveform) -> str:
        """Write down what is said in a clip at 16 kHz."""
        segments, _ = self._model.transcribe(
            waveform, condition_on_previous_text=False, without_timestamps=True
        )
        return " ".join(segment.text.strip() for segment in segments).strip()


def transcribe_recordings(source: Path, transcriber: Transcriber, progress: bool = False) -> Found:
    """Cut a recording, or all of a folder, into clips of 1 to 12 seconds, and transcribe them.

    Args:
        source: a sound file, or a folder of such.
        transcriber: does the work.
        progress: show a progress bar on stderr.

    Raises:
        RecordingsError: there is no sound, or it cannot be read.
    """
    sounds = [source] if source.is_file() else sorted(source.glob("*"))
    sounds = [path for path in sounds if path.suffix.lower() in SOUND_SUFFIXES]
    if not sounds:
        raise RecordingsError(f"{source}: there is no sound. Give a recording, or their folder.")
    found = Found("recordings without text, cut at their pauses and transcribed by Whisper")
    for path in sounds:
        try:
            _transcribe(path, transcriber, found, progress)
        except AudioError as error:
            found.left_out.append(LeftOut(path.name, str(error)))
        except OSError as error:
            found.left_out.append(LeftOut(path.name, f"cannot be read ({error.strerror})"))
    if not found.recordings:
        why = f" {found.left_out[0]}" if found.left_out else ""
        raise RecordingsError(f"{source}: contains no speech that can be transcribed.{why}")
    return found


def _transcribe(path: Path, transcriber: Transcriber, found: Found, progress: bool) -> None:
    length = _seconds(path)
    with tqdm(
        total=round(length), desc=printable(path.name), unit="s", disable=not progress
    ) as bar:
        for (start, end), waveform in _clips(path, length, transcriber):
            bar.update(round(end) - bar.n)
            text = ""
            if end - start >= SHORTEST_SECONDS:
                text = transcriber.text(waveform)
            if text:
                found.recordings.append(Recording(path, text, span=(start, end)))
                continue
            why = "no words are heard" if end - start >= SHORTEST_SECONDS else "too short"
            found.left_out.append(LeftOut(f"{path.name}, {start:.2f} to {end:.2f} s", why))


def _seconds(path: Path) -> float:
    import soundfile

    try:
        return float(soundfile.info(str(path)).duration)
    except soundfile.SoundFileError:
        raise AudioError(
            f"its length is unknown. Convert it: ffmpeg -i {path.name} {path.stem}.wav"
        ) from None


def _clips(path: Path, length: float, transcriber: Transcriber) -> Iterator[tuple[Span, Waveform]]:
    """Cut a recording, a window after the other: clips at 16 kHz with their times."""
    at = 0.0
    while at < length - SHORTEST_SECONDS:
        end = min(at + WINDOW_SECONDS, length)
        waveform = decode_span(path, at, end, SAMPLE_RATE).waveform
        spans = list(joined(transcriber.speech(waveform)))
        goes_on = end < length
        # What ends with the window may go on after it, unless it is all there is.
        taken = spans[:-1] if goes_on and len(spans) > 1 else spans
        for start, stop in taken:
            clip = waveform[round(start * SAMPLE_RATE) : round(stop * SAMPLE_RATE)]
            yield (at + start, min(at + stop, length)), clip
        at = at + spans[-1][0] if len(taken) < len(spans) else end


def joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Join stretches of speech that are too short alone with their nearer neighbours."""
    spans = list(spans)
    while spans:
        short = [
            number
            for number, ((start, end), (after, last)) in enumerate(itertools.pairwise(spans))
            if min(end - start, last - after) < SHORTEST_SECONDS
            and after - end <= JOINED_SECONDS
            and last - start <= LONGEST_SECONDS
        ]
        if not short:
            break
        number = min(short, key=lambda n: spans[n + 1][0] - spans[n][1])
        spans[number : number + 2] = [(spans[number][0], spans[number + 1][1])]
    yield from spans
