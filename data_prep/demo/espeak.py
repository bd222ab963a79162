"""The embedded default: a synthetic voice as a soundtools archive, so that all runs undownloaded.

The voice is espeak-ng, whose library the optional package espeakng-loader carries (GPL-3: the user
installs it, nothing of it is part of this project). It reports when each phoneme begins, so the
intervals of the archive are true by construction.
"""

import ctypes
import importlib
import importlib.util
import multiprocessing
import random
import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from data_prep.soundtools import ArchiveError, ArchiveWriter

VOICE = "en-us+f2"
"""Of thirty of espeak-ng's American voices a recogniser understood this one and f5 best, as
spoken and after Griffin-Lim; f5 is breathier."""

WORDS_PER_MINUTE = 180
"""espeak-ng's own count; of these sentences' longer words it speaks about 150 a minute."""
PITCH = 30
"""Of 0 to 99. After Griffin-Lim none of 88 words was misheard, at the default of 50 two were."""

EDGE_SECONDS = 0.1
"""Silence before the first and after the last word."""

CHARACTER = "Demo"

# Words by their place in a sentence. A recogniser tells them apart: short words such as "the",
# "did" and "our", which it hears everywhere, and words it took for another one are left out.
_DETERMINERS = {
    "my": "M AY1",
    "your": "Y UH1 R",
    "every": "EH1 V R IY0",
}
_COUNTS = {
    "seven": "S EH1 V AH0 N",
    "eleven": "IH0 L EH1 V AH0 N",
    "twenty": "T W EH1 N T IY0",
}
_ADJECTIVES = {
    "purple": "P ER1 P AH0 L",
    "yellow": "Y EH1 L OW0",
    "happy": "HH AE1 P IY0",
    "golden": "G OW1 L D AH0 N",
    "sleepy": "S L IY1 P IY0",
    "hungry": "HH AH1 NG G R IY0",
    "little": "L IH1 T AH0 L",
    "brown": "B R AW1 N",
    "orange": "AO1 R AH0 N JH",
    "gentle": "JH EH1 N T AH0 L",
}
_CREATURES = {
    "pony": "P OW1 N IY0",
    "dragon": "D R AE1 G AH0 N",
    "teacher": "T IY1 CH ER0",
    "captain": "K AE1 P T AH0 N",
    "monkey": "M AH1 NG K IY0",
    "spider": "S P AY1 D ER0",
    "sister": "S IH1 S T ER0",
    "butterfly": "B AH1 T ER0 F L AY2",
    "elephant": "EH1 L AH0 F AH0 N T",
    "doctor": "D AA1 K T ER0",
    "farmer": "F AA1 R M ER0",
    "princess": "P R IH1 N S EH0 S",
}
_VERBS = {
    "painted": "P EY1 N T AH0 D",
    "followed": "F AA1 L OW0 D",
    "carried": "K AE1 R IY0 D",
    "watched": "W AA1 CH T",
    "found": "F AW1 N D",
    "discovered": "D IH0 S K AH1 V ER0 D",
    "chased": "CH EY1 S T",
    "remembered": "R IH0 M EH1 M B ER0 D",
}
_THINGS = {
    "basket": "B AE1 S K AH0 T",
    "window": "W IH1 N D OW0",
    "garden": "G AA1 R D AH0 N",
    "umbrella": "AH0 M B R EH1 L AH0",
    "castle": "K AE1 S AH0 L",
    "mountain": "M AW1 N T AH0 N",
    "ladder": "L AE1 D ER0",
    "hospital": "HH AA1 S P IH0 T AH0 L",
    "kitchen": "K IH1 CH AH0 N",
    "river": "R IH1 V ER0",
    "bicycle": "B AY1 S IH0 K AH0 L",
}
_MANY_THINGS = {
    "candles": "K AE1 N D AH0 L Z",
    "apples": "AE1 P AH0 L Z",
    "potatoes": "P AH0 T EY1 T OW2 Z",
}
_PLACES = {
    "under": "AH1 N D ER0",
    "behind": "B IH0 HH AY1 N D",
    "without": "W IH0 DH AW1 T",
}
_ADVERBS = {
    "yesterday": "Y EH1 S T ER0 D EY2",
    "today": "T AH0 D EY1",
    "again": "AH0 G EH1 N",
    "slowly": "S L OW1 L IY0",
    "outside": "AW1 T S AY1 D",
    "together": "T AH0 G EH1 DH ER0",
}
_QUESTIONS = {
    "who": "HH UW1",
}

VOCABULARY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        word: tuple(phones.split())
        for words in (
            _DETERMINERS,
            _COUNTS,
            _ADJECTIVES,
            _CREATURES,
            _VERBS,
            _THINGS,
            _MANY_THINGS,
            _PLACES,
            _ADVERBS,
            _QUESTIONS,
        )
        for word, phones in words.items()
    }
)
"""Word in lower case -> its ARPAbet phones, vowels with stress."""

_MOST_REPEATED = 10_000
"""Draws in a row that were seen before, after which no new sentence is to be hoped for."""

# espeak-ng's mnemonics that are no phone of their own (a linking r, a palatal glide's mark); their
# time belongs to the phone before.
_NO_PHONES = frozenset({"r-", ";"})
# Its mnemonics that ARPAbet writes with two phones.
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


_INSTALL_AGAIN = "Install it again: pip install --force-reinstall espeakng-loader==0.2.4"


class DemoVoiceError(ArchiveError):
    """The demo voice cannot speak; the text says why and what to do."""


@dataclass(frozen=True)
class SpokenInterval:
    """A word or a phone and its time."""

    content: str
    """A word, or a phone: ARPAbet with stress, "sil" at the edges, "sp" at a pause inside."""

    start: float
    """Seconds from the start of the clip."""

    end: float
    """Seconds from the start of the clip."""


@dataclass(frozen=True)
class SpokenSentence:
    """A sentence as it was spoken."""

    text: str
    waveform: npt.NDArray[np.float32]
    """(T_wav,) in -1..1."""

    sample_rate: int
    """Hz."""

    words: tuple[SpokenInterval, ...]
    """Words in lower case with their times; pauses are not among them."""

    phones: tuple[SpokenInterval, ...]
    """Without gaps from 0 to the end of the clip."""


def sentences(n: int, seed: int, exclude: Collection[str] = ()) -> list[str]:
    """Draw different sentences of four to eight words over the vocabulary.

    Args:
        n: how many.
        seed: the same seed gives the same sentences.
        exclude: sentences that must not be drawn, such as those a voice was trained on.

    Returns:
        Distinct sentences, capitalised, with commas, and a full stop or a question mark.

    Raises:
        ValueError: if there are not that many different ones.
    """
    rng = random.Random(seed)
    drawn: list[str] = []
    seen = set(exclude)
    repeated_in_a_row = 0
    while len(drawn) < n:
        sentence = _sentence(rng)
        if sentence not in seen:
            seen.add(sentence)
            drawn.append(sentence)
            repeated_in_a_row = 0
            continue
        repeated_in_a_row += 1
        if repeated_in_a_row == _MOST_REPEATED:
            raise ValueError(
                f"the demo's little grammar has not {n} different sentences; ask for fewer"
            )
    return drawn


def spoken_words(sentence: str) -> list[str]:
    """Words of a sentence of `sentences`, in lower case and without punctuation."""
    return [word.strip(",.?") for word in sentence.lower().split()]


def speak(texts: Sequence[str], voice: str = VOICE) -> list[SpokenSentence]:
    """Let the demo voice speak sentences over the vocabulary.

    Args:
        texts: sentences as `sentences` draws them.
        voice: another of espeak-ng's American voices, as 'en-us+m3'.

    Returns:
        As many spoken sentences, 22,050 Hz. The same texts give the same samples.

    Raises:
        DemoVoiceError: if the synthesiser is missing or fails, or a word is not in the vocabulary.
    """
    _require_loader()
    _require_vocabulary(texts)
    # espeak-ng goes on where it stopped with its noise and pitch flutter, even when it is
    # initialised again. Only a new process makes the same texts the same samples.
    context = multiprocessing.get_context("spawn")
    # An interrupt is this process's to handle: in the other it would break off inside espeak-ng.
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
            process.terminate()  # it would speak to the end before this one could leave
        raise
    except BrokenProcessPool as error:
        raise DemoVoiceError(
            "espeak-ng stopped without a word while it spoke the demo's sentences. "
            f"{_INSTALL_AGAIN}"
        ) from error
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def write_demo_archive(out: Path, n_clips: int = 400, seed: int = 1234, voice: str = VOICE) -> None:
    """Write the demo character as a soundtools archive.

    Args:
        out: the tar to write; replaced if it exists.
        n_clips: how many sentences it speaks.
        seed: draws the sentences; the same seed gives the same archive, byte for byte.
        voice: another of espeak-ng's American voices, as 'en-us+m3'.

    Raises:
        DemoVoiceError: if the synthesiser is missing or fails, or n_clips is out of range; nothing
            is written then.
    """
    if n_clips < 1:
        raise DemoVoiceError(f"{n_clips} clips are no archive. Ask for at least one.")
    try:
        texts = sentences(n_clips, seed)
    except ValueError as error:
        raise DemoVoiceError(f"{n_clips} clips are too many: {error}.") from error
    spoken = speak(texts, voice)
    with ArchiveWriter(out) as archive:
        for number, sentence in enumerate(spoken):
            ref = f"demo_{number:04d}"
            archive.add(ref, sentence.waveform, sentence.sample_rate, _label(sentence))


def _sentence(rng: random.Random) -> str:
    forms = (_deed, _deed_in_time, _question, _question_of_place)
    (form,) = rng.choices(forms, weights=(4, 3, 2, 1))
    sentence = form(rng)
    return sentence[0].upper() + sentence[1:]


def _deed(rng: random.Random) -> str:
    which = rng.choice(("who", "what", "neither"))
    who = _who(rng, adjective=which == "who")
    return f"{who} {_pick(rng, _VERBS)} {_what(rng, adjective=which == 'what')}."


def _deed_in_time(rng: random.Random) -> str:
    return f"{_pick(rng, _ADVERBS)}, {_who(rng)} {_pick(rng, _VERBS)} {_what(rng)}."


def _question(rng: random.Random) -> str:
    time = f" {_pick(rng, _ADVERBS)}" if rng.random() < 0.5 else ""
    what = _what(rng, adjective=rng.random() < 0.5)
    return f"{_pick(rng, _QUESTIONS)} {_pick(rng, _VERBS)} {what}{time}?"


def _question_of_place(rng: random.Random) -> str:
    place = f"{_pick(rng, _PLACES)} {_pick(rng, _DETERMINERS)} {_pick(rng, _THINGS)}"
    return f"{_pick(rng, _QUESTIONS)} {_pick(rng, _VERBS)} {_what(rng)}, {place}?"


def _who(rng: random.Random, adjective: bool = False) -> str:
    return _phrase(rng, _pick(rng, _DETERMINERS), adjective, _pick(rng, _CREATURES))


def _what(rng: random.Random, adjective: bool = False) -> str:
    if rng.random() < 0.3:
        return _phrase(rng, _pick(rng, _COUNTS), adjective, _pick(rng, _MANY_THINGS))
    return _phrase(rng, _pick(rng, _DETERMINERS), adjective, _pick(rng, _THINGS))


def _pick(rng: random.Random, words: Mapping[str, str]) -> str:
    return rng.choice(list(words))


def _phrase(rng: random.Random, determiner: str, adjective: bool, noun: str) -> str:
    middle = f" {_pick(rng, _ADJECTIVES)} " if adjective else " "
    return determiner + middle + noun


def _require_loader() -> None:
    if importlib.util.find_spec("espeakng_loader") is None:
        raise DemoVoiceError(
            "The demo voice needs espeak-ng, which is not installed here. "
            'Run: pip install "ponytaco[demo]".'
        )


def _require_vocabulary(texts: Sequence[str]) -> None:
    for text in texts:
        if not spoken_words(text):
            raise DemoVoiceError("There is no word to speak. Give a sentence.")
        for word in spoken_words(text):
            if word not in VOCABULARY:
                raise DemoVoiceError(
                    f"The demo voice has no pronunciation of {word!r} in {text!r}. "
                    "Use the words of data_prep.demo.espeak.VOCABULARY."
                )


def _label(sentence: SpokenSentence) -> dict[str, Any]:
    seconds = len(sentence.waveform) / sentence.sample_rate
    return {
        "character": CHARACTER,
        "episode": "demo",
        "tags": ["Neutral"],
        "noise": "",
        "utterance": {"content": sentence.text, "episode_interval": [0.0, seconds]},
        "words": [_labelled(word) for word in sentence.words],
        "phones": [_labelled(phone) for phone in sentence.phones],
    }


def _labelled(spoken: SpokenInterval) -> dict[str, Any]:
    return {"content": spoken.content, "interval": [round(spoken.start, 5), round(spoken.end, 5)]}


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
    """A word's or a phoneme's beginning, as espeak-ng reports it."""

    sample: int
    phoneme: str | None
    """espeak-ng's mnemonic without stress; None where a word begins."""

    @property
    def is_pause(self) -> bool:
        return self.phoneme is not None and self.phoneme.startswith("_")


class _Espeak:
    """One synthesiser in this process."""

    def __init__(self, voice: str) -> None:
        # The package is optional and ships no types.
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
        # The library keeps the pointer only, so the callback must live as long as it does.
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)
        if self.sample_rate <= 0 or self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            again = _INSTALL_AGAIN if voice == VOICE else f"The demo's own is {VOICE}."
            raise DemoVoiceError(f"espeak-ng has no voice {voice} in {data}. {again}")
        # Otherwise the clock seeds its noise.
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

    def interval(content: str, start: int, end: int) -> SpokenInterval:
        return SpokenInterval(content, (start + edge) / sample_rate, (end + edge) / sample_rate)

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
    """A word or a pause, from its start to the start of the next one."""

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
    """Samples where the word's ARPAbet phones begin."""
    kept = [mark for mark in segment.marks if mark.phoneme not in _NO_PHONES]
    # The closure before a word's first burst is silent, and belongs to its stop consonant.
    starts = [segment.start] + [mark.sample for mark in kept[1:]]
    expanded = []
    for mark, start, stop in zip(kept, starts, [*starts[1:], end], strict=True):
        expanded.append(start)
        if mark.phoneme in _DOUBLE_PHONES:
            expanded.append((start + stop) // 2)
    if len(expanded) != len(VOCABULARY[word]):
        spoken = " ".join(str(mark.phoneme) for mark in segment.marks)
        raise DemoVoiceError(
            f"espeak-ng says {word!r} as {spoken}, which does not fit "
            f"{' '.join(VOCABULARY[word])}. {_INSTALL_AGAIN}"
        )
    return expanded
