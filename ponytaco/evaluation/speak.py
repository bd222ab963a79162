"""Speaking of an evaluation's texts, with everything that is measured of each."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
from torch import Tensor

from ponytaco.audio.wav import load_wav
from ponytaco.config import Config
from ponytaco.data.dataset_folder import Clip
from ponytaco.evaluation.asr import SpeechRecogniser
from ponytaco.evaluation.results import Group, Media, TextResult, stop_error
from ponytaco.judges.judge import Judges
from ponytaco.metrics.alignment import mean_score
from ponytaco.metrics.mel_cepstral import (
    best_path,
    compare_mels,
    mel_cepstra,
    pitch,
    pitch_correlation,
)
from ponytaco.synthesis.result import Sentence, Speech
from ponytaco.synthesis.voice import Voice
from ponytaco.text.errors import TextError
from ponytaco.text.spoken import spoken_words
from ponytaco.text.styles import name_style

# Recognised up to this multiple of the expected length: recognition takes most of the time, and of
# a voice that does not stop the rest tells nothing more.
_RECOGNISED = 2.0
_SECONDS_BETWEEN_REPORTS = 15.0


class RealClip(NamedTuple):
    """A clip of the dataset and its mel."""

    clip: Clip
    mel: Tensor
    """(n_mels, T_mel)"""


class EvaluationText(NamedTuple):
    """A text to speak."""

    name: str
    text: str
    real: RealClip | None = None


@dataclass(frozen=True)
class EvaluationSetup:
    """The voice, vocoder and recogniser with which each text is spoken and measured."""

    voice: Voice
    config: Config
    """The voice's."""
    vocoder: Callable[[Tensor], Tensor]
    recogniser: SpeechRecogniser | None
    frames_per_symbol: float
    """Of the real clips; gives a new sentence's expected length."""
    judges: Judges
    """Any of them may be missing."""
    vocoded: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    """Waveforms of the real clips through the vocoder, by name, made when they are first needed."""

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.config.audio.sample_rate

    @property
    def seconds_per_frame(self) -> float:
        """Duration of a mel frame."""
        return self.config.audio.hop_length / self.sample_rate


def speak_all(
    texts: Sequence[EvaluationText],
    setup: EvaluationSetup,
    with_pitch: bool,
    notes: list[str],
    log: Callable[[str], None],
) -> Group:
    """Speak texts, and measure the speech.

    Args:
        texts: what to speak.
        setup: what to speak and measure with.
        with_pitch: whether to compare melodies, which takes time.
        notes: takes what was left out, and why.
        log: takes sentences about the progress.
    """
    group = Group([], [])
    n_lost = n_unreadable = 0
    for text in _with_progress(texts, log):
        try:
            # The voice as it is: a second try would hide its errors.
            speech = setup.voice.speak(_spelling(text, setup), retries=0, keep=True)
        except TextError as error:
            notes.append(f"{text.name} is left out. {error}")
            continue
        result, media = _measure(text, speech, setup, with_pitch)
        n_lost += result.skipped is None
        n_unreadable += any(sentence.unreadable for sentence in speech.sentences)
        group.results.append(result)
        group.media.append(media)
    if n_lost:
        notes.append(
            f"In {n_lost} texts attention did not follow the words: skipped and repeated words "
            "are not counted there."
        )
    if n_unreadable:
        notes.append(
            f"{n_unreadable} of {len(texts)} texts have words that this voice cannot read yet: it "
            "has learnt pronunciations but no letters, and no dictionary has them. Give "
            "--sentences of words that it knows."
        )
        log(notes[-1])
    return group


def real_waveform(real: RealClip, setup: EvaluationSetup) -> npt.NDArray[np.float32]:
    """Return a real clip's waveform (T_wav,) through the vocoder."""
    name = real.clip.ref
    if name not in setup.vocoded:
        setup.vocoded[name] = setup.vocoder(real.mel[None])[0].float().cpu().numpy()
    return setup.vocoded[name]


def recognise_real(real: RealClip, setup: EvaluationSetup) -> list[str]:
    """Transcribe a real clip through the vocoder."""
    assert setup.recogniser is not None
    return setup.recogniser.transcribe(real_waveform(real, setup), setup.sample_rate)


def _with_progress(
    texts: Sequence[EvaluationText], log: Callable[[str], None]
) -> Iterator[EvaluationText]:
    logged_at = time.monotonic()
    for n_done, text in enumerate(texts):
        if time.monotonic() - logged_at > _SECONDS_BETWEEN_REPORTS:
            logged_at = time.monotonic()
            log(f"  {n_done} of {len(texts)}")
        yield text


def _spelling(text: EvaluationText, setup: EvaluationSetup) -> str:
    knows_phones = setup.config.train.p_arpabet > 0
    return name_style((knows_phones and text.real and text.real.clip.arpabet) or text.text)


def _measure(
    text: EvaluationText, speech: Speech, setup: EvaluationSetup, with_pitch: bool
) -> tuple[TextResult, Media]:
    spoken, real = speech.sentences, text.real
    mel = np.concatenate([_mel(sentence) for sentence in spoken], axis=1)
    seconds = mel.shape[1] * setup.seconds_per_frame
    expected_seconds = _expected_frames(text, spoken, setup) * setup.seconds_per_frame
    alignment = mean_score([sentence.score for sentence in spoken])
    skipped, repeated = _skipped_and_repeated(spoken)
    waveform = speech.waveform.float().cpu().numpy()
    said = spoken_words(text.text, setup.config.train.cleaner)
    heard = real_heard = None
    listened = waveform[: int(_RECOGNISED * expected_seconds * speech.sample_rate)]
    if setup.recogniser and said:
        heard = setup.recogniser.transcribe(listened, speech.sample_rate)
        real_heard = recognise_real(real, setup) if real else None
    (opinion,) = setup.judges.listen([listened], speech.sample_rate)
    similarity = compare_mels(mel, real.mel) if real else None
    recording = load_wav(real.clip.path, setup.sample_rate).numpy() if real else None
    correlation = None
    if real and recording is not None and with_pitch:
        correlation = _correlate_pitch(spoken, mel, real.mel, recording, setup)
    result = TextResult(
        name=text.name,
        text=text.text,
        seconds=seconds,
        alignment=alignment,
        stop_error=stop_error(
            all(sentence.stopped for sentence in spoken),
            alignment.end_reached == 1,
            seconds,
            expected_seconds,
        ),
        skipped=skipped,
        repeated=repeated,
        said=said,
        heard=heard,
        real_heard=real_heard,
        mel_cepstral_distortion_db=similarity.mel_cepstral_distortion if similarity else None,
        length=similarity.length if similarity else None,
        pitch_correlation=correlation,
        opinion=opinion,
    )
    media = Media(
        sound=_flac(waveform, speech.sample_rate),
        real_sound=_flac(recording, setup.sample_rate) if recording is not None else None,
        mel=mel,
        attention=_attention(spoken[0]),
    )
    return result, media


def _expected_frames(
    text: EvaluationText, spoken: Sequence[Sentence], setup: EvaluationSetup
) -> float:
    if text.real:
        return text.real.mel.shape[1]
    return setup.frames_per_symbol * sum(_attention(sentence).shape[1] for sentence in spoken)


def _skipped_and_repeated(
    spoken: Sequence[Sentence],
) -> tuple[list[str] | None, list[str] | None]:
    """List the words skipped and repeated; None where attention did not follow the text."""
    if any(sentence.take.lost for sentence in spoken):
        return None, None
    return (
        [s.words[n] for s in spoken for n in (*s.take.skipped, *s.take.unread)],
        [s.words[n] for s in spoken for n in s.take.repeated],
    )


def _correlate_pitch(
    spoken: Sequence[Sentence],
    mel: npt.NDArray[np.float32],
    real_mel: Tensor,
    recording: npt.NDArray[np.float32],
    setup: EvaluationSetup,
) -> float | None:
    """Correlate the pitches along the path that matches the mels."""
    hop_length = setup.config.audio.hop_length
    pitches = []
    for sentence in spoken:  # one by one: the mels have no pauses between them, the speech has
        n_frames = _mel(sentence).shape[1]
        found = pitch(sentence.waveform.float().cpu().numpy(), setup.sample_rate, hop_length)
        padding = np.full(max(0, n_frames - len(found)), np.nan)
        pitches.append(np.concatenate([found, padding])[:n_frames])
    path = best_path(mel_cepstra(mel), mel_cepstra(real_mel.numpy()))
    real = pitch(recording, setup.sample_rate, hop_length)
    return pitch_correlation(np.concatenate(pitches), real, path)


def _mel(sentence: Sentence) -> npt.NDArray[np.float32]:
    assert sentence.mel is not None  # keep=True
    return sentence.mel


def _attention(sentence: Sentence) -> npt.NDArray[np.float32]:
    assert sentence.alignment is not None  # keep=True
    return sentence.alignment


def _flac(waveform: npt.NDArray[np.float32], sample_rate: int) -> bytes:
    """Encode as flac: lossless, half the size of a wav, and every browser plays it."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(waveform, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
