"""Synthetic demo voice as a soundtools archive, to try everything without a download.

The voice is espeak-ng, whose library comes in the optional package espeakng-loader (GPL-3: the
user installs it, nothing of it is part of this project). It reports when each phoneme begins, so
the labels of the archive are exact by construction.
"""

import ctypes
import importlib
import importlib.util
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_prep.archive_writer import ArchiveWriter
from data_prep.demo.grammar import VOCABULARY, DemoVoiceError, sentences, spoken_words
from data_prep.labels import Interval, make_label

VOICE = "en-us+f2"
"""Of thirty American voices of espeak-ng, a speech recogniser understood this one and f5 best,
both directly and after Griffin-Lim; f5 is breathier."""

WORDS_PER_MINUTE = 180
"""As espeak-ng counts; these sentences with their longer words have about 150."""

PITCH = 30
"""0 to 99. After Griffin-Lim none of 88 words was misheard; at the default of 50 two were."""

EDGE_SECONDS = 0.1
"""Silence before the first and after the last word."""

CHARACTER = "Demo"

# Mnemonics of espeak-ng without a phone of their own (linking r, palatal glide); their time belongs
# to the phone before.
_NO_PHONES = frozenset({"r-", ";"})
# Mnemonics for which ARPAbet has two phones.
_DOUBLE_PHONES = frozenset({"@L", "A@", "U@"})

_NOISE_SEED = 1

# From espeak-ng's speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 1
_INITIALIZE_DONT_EXIT = 1 << 15
_CHARS_UTF8 = 1
_PARAMETER_RATE = 1
_PARAMETER_PITCH = 3
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1
_EVENT_PHONEME = 7

_INSTALL_AGAIN = "Reinstall it: pip install --force-reinstall espeakng-loader==0.2.4"


@dataclass(frozen=True)
class SpokenSentence:
    """Synthesised sentence with the times of its words and phones."""

    text: str
    waveform: npt.NDArray[np.float32]
    """(T_wav,) in -1..1."""

    sample_rate: int
    """Hz."""

    words: tuple[Interval, ...]
    """Words in lower case, without pauses."""

    phones: tuple[Interval, ...]
    """Phones with "sil" at the edges and "sp" at pauses, without gaps over the whole clip."""


def speak(texts: Sequence[str], voice: str = VOICE) -> list[SpokenSentence]:
    """Synthesise sentences with the demo voice.

    Args:
        texts: sentences as drawn by `sentences`.
        voice: an American voice of espeak-ng, such as 'en-us+m3'.

    Returns:
        A spoken sentence at 22,050 Hz for each text. The same texts give the same samples.

    Raises:
        DemoVoiceError: if the synthesiser is missing or fails, or a word is not in the vocabulary.
    """
    _require_loader()
    _require_vocabulary(texts)
    # The state of espeak-ng's noise and pitch flutter survives a new initialisation. Only in a new
    # process do the same texts give the same samples.
    context = multiprocessing.get_context("spawn")
    # Only this process handles interrupts: one inside of espeak-ng would crash the other.
    executor = ProcessPoolExecutor(
        max_workers=1,
        mp_context=context,
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        return executor.submit(_speak_in_this_process, list(texts), voice).result()
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()  # otherwise this process would wait for the last sentence
        raise
    except BrokenProcessPool as error:
        raise DemoVoiceError(
            f"espeak-ng crashed while it spoke the demo's sentences. {_INSTALL_AGAIN}"
        ) from error
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def write_demo_archive(out: Path, n_clips: int = 400, seed: int = 1234, voice: str = VOICE) -> None:
    """Write the demo character as a soundtools archive.

    Args:
        out: the tar to write; replaced if it exists.
        n_clips: number of sentences.
        seed: draws the sentences; the same seed gives the same archive, byte for byte.
        voice: an American voice of espeak-ng, such as 'en-us+m3'.

    Raises:
        DemoVoiceError: if the synthesiser is missing or fails, or n_clips is out of range. Nothing
            is written then.
    """
    if n_clips < 1:
        raise DemoVoiceError(f"An archive cannot have {n_clips} clips. Ask for at least one.")
    spoken = speak(sentences(n_clips, seed), voice)
    with ArchiveWriter(out) as archive:
        for number, sentence in enumerate(spoken):
            seconds = len(sentence.waveform) / sentence.sample_rate
            label = make_label(
                sentence.text,
                seconds,
                CHARACTER,
                "demo",
                tags=("Neutral",),
                words=sentence.words,
                phones=sentence.phones,
            )
            archive.add(f"demo_{number:04d}", sentence.waveform, sentence.sample_rate, label)


def _require_loader() -> None:
    if importlib.util.find_spec("espeakng_loader") is None:
        raise DemoVoiceError(
            "The demo voice needs espeak-ng, which is not installed here. "
            'Run: pip install "ponytaco[demo]".'
        )


def _require_vocabulary(texts: Sequence[str]) -> None:
    for text in texts:
        if not spoken_words(text):
            raise DemoVoiceError("There are no words to speak. Give a sentence.")
        for word in spoken_words(text):
            if word not in VOCABULARY:
                raise DemoVoiceError(
                    f"The demo voice has no pronunciation of {word!r} in {text!r}. "
                    "Use the words of data_prep.demo.grammar.VOCABULARY."
                )


class _EventId(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class _Mark:
    """Start of a word or a phoneme, as reported by espeak-ng."""

    sample: int
    phoneme: str | None
    """Mnemonic of espeak-ng without stress; None at the start of a word."""

    @property
    def is_pause(self) -> bool:
        return self.phoneme is not None and self.phoneme.startswith("_")


class _Espeak:
    """The synthesiser of this process."""

    def __init__(self, voice: str) -> None:
        # The package is optional and untyped.
        loader: Any = importlib.import_module("espeakng_loader")
        try:
            self._library = ctypes.CDLL(loader.get_library_path())
            data = str(loader.get_data_path())
        except (OSError, RuntimeError) as error:
            raise DemoVoiceError(
                f"espeak-ng's library cannot be loaded here ({error}). {_INSTALL_AGAIN}"
            ) from error
        options = _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_DONT_EXIT
        self.sample_rate: int = self._library.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS, 0, data.encode(), options
        )
        self._chunks: list[npt.NDArray[np.int16]] = []
        self._marks: list[_Mark] = []
        # The library keeps only a pointer, so the callback must live as long as the library.
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)
        if self.sample_rate <= 0 or self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            again = _INSTALL_AGAIN if voice == VOICE else f"The default is {VOICE}."
            raise DemoVoiceError(f"espeak-ng has no voice {voice} in {data}. {again}")
        # The clock would seed its noise otherwise.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(_NOISE_SEED))
        self._library.espeak_SetParameter(_PARAMETER_RATE, WORDS_PER_MINUTE, 0)
        self._library.espeak_SetParameter(_PARAMETER_PITCH, PITCH, 0)

    def _receive(self, samples: Any, n_samples: int, events: Any) -> int:
        if samples and n_samples > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (n_samples,)).copy())
        self._marks.extend(_marks(events))
        return 0

    def __call__(self, text: str) -> tuple[npt.NDArray[np.int16], list[_Mark]]:
        self._chunks.clear()
        self._marks.clear()
        data = text.encode()
        code = self._library.espeak_Synth(
            data, ctypes.c_size_t(len(data) + 1), 0, 1, 0, _CHARS_UTF8, None, None
        )
        if code != 0 or not self._chunks:
            raise DemoVoiceError(f"espeak-ng could not speak {text!r} (code {code}).")
        return np.concatenate(self._chunks), list(self._marks)


def _marks(events: Any) -> Iterator[_Mark]:
    for i in range(1 << 20):
        event = events[i]
        if event.type == _EVENT_LIST_TERMINATED:
            return
        if event.type == _EVENT_WORD:
            yield _Mark(event.sample, None)
        elif event.type == _EVENT_PHONEME:
            # Stress is written before the phoneme.
            yield _Mark(event.sample, bytes(event.id.string).decode().lstrip("',"))


def _speak_in_this_process(texts: list[str], voice: str) -> list[SpokenSentence]:
    espeak = _Espeak(voice)
    return [_timed(text, *espeak(text), espeak.sample_rate) for text in texts]


def _timed(
    text: str, samples: npt.NDArray[np.int16], marks: list[_Mark], sample_rate: int
) -> SpokenSentence:
    *segments, trailing = _segments(marks)
    spoken = [segment for segment in segments if not segment.is_pause]
    words = spoken_words(text)
    if len(spoken) != len(words) or not trailing.is_pause:
        raise DemoVoiceError(
            f"espeak-ng spoke {len(spoken)} words of {len(words)} in {text!r}. {_INSTALL_AGAIN}"
        )
    edge = round(EDGE_SECONDS * sample_rate)
    waveform = np.zeros(trailing.start + 2 * edge, np.float32)
    # The voice has a faint echo, which fades in the silence after the last word.
    kept = samples[: trailing.start + edge]
    waveform[edge : edge + len(kept)] = kept / np.float32(2**15)

    def interval(content: str, start: int, end: int) -> Interval:
        return Interval(content, (start + edge) / sample_rate, (end + edge) / sample_rate)

    timed_words = []
    phones = [interval("sil", -edge, segments[0].start)]
    remaining = iter(words)
    for segment, following in zip(segments, [*segments[1:], trailing], strict=True):
        if segment.is_pause:
            phones.append(interval("sp", segment.start, following.start))
            continue
        word = next(remaining)
        timed_words.append(interval(word, segment.start, following.start))
        bounds = [*_phone_starts(word, segment, following.start), following.start]
        phones += [
            interval(phone, start, end)
            for phone, start, end in zip(VOCABULARY[word], bounds[:-1], bounds[1:], strict=True)
        ]
    phones.append(interval("sil", trailing.start, len(waveform) - edge))
    return SpokenSentence(text, waveform, sample_rate, tuple(timed_words), tuple(phones))


@dataclass
class _Segment:
    """Word or pause, from its start to the start of the next one."""

    start: int
    is_pause: bool
    marks: list[_Mark] = field(default_factory=list)


def _segments(marks: list[_Mark]) -> list[_Segment]:
    segments: list[_Segment] = []
    for mark in marks:
        if mark.phoneme is None:
            segments.append(_Segment(mark.sample, is_pause=False))
        elif mark.is_pause:
            if not segments or not segments[-1].is_pause:
                segments.append(_Segment(mark.sample, is_pause=True))
        else:
            segments[-1].marks.append(mark)
    return segments


def _phone_starts(word: str, segment: _Segment, end: int) -> list[int]:
    """Return the samples where the word's ARPAbet phones begin."""
    kept = [mark for mark in segment.marks if mark.phoneme not in _NO_PHONES]
    # The silent closure before a word's first burst belongs to its stop consonant.
    starts = [segment.start] + [mark.sample for mark in kept[1:]]
    expanded = []
    for mark, start, stop in zip(kept, starts, [*starts[1:], end], strict=True):
        expanded.append(start)
        if mark.phoneme in _DOUBLE_PHONES:
            expanded.append((start + stop) // 2)
    if len(expanded) != len(VOCABULARY[word]):
        spoken = " ".join(str(mark.phoneme) for mark in segment.marks)
        raise DemoVoiceError(
            f"espeak-ng pronounces {word!r} as {spoken}, which does not match "
            f"{' '.join(VOCABULARY[word])}. {_INSTALL_AGAIN}"
        )
    return expanded
