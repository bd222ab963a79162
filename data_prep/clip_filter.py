"""Clip filter: decides which clips are kept, and gives a reason for each of the others."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from data_prep.audio import (
    SAMPLE_RATE,
    Waveform,
    decode,
    is_silent,
    pcm16,
    trim_by_level,
)
from data_prep.labels import Interval, Label, LabelError, parse_label
from data_prep.offsets import Offset, find_offset
from data_prep.options import ClipOptions
from data_prep.sound_files import AudioError, TooLongError
from data_prep.soundtools import LARGEST_LABEL_BYTES, RawClip
from data_prep.transcripts import Transcript, is_speakable, spoken_phones, transcribe
from data_prep.vocabulary import VERY_NOISY, noise_level

SPEECH_MARGIN_SECONDS = 0.08
"""Kept before the first and after the last phone: aligners cut soft onsets and offsets short."""

MOST_CLIPPED = 0.002
"""Highest share of clipped samples. A shout that just reaches full scale has a tenth of this."""


class Reason(StrEnum):
    """Reason for leaving a clip out. The values are stable, because report.json uses them."""

    NO_LABEL = "no label"
    BROKEN_LABEL = "broken label"
    NO_AUDIO = "no audio"
    BROKEN_AUDIO = "broken audio"
    EMPTY_TEXT = "empty text"
    NOTHING_SPEAKABLE = "nothing speakable"
    TOO_SHORT = "too short"
    TOO_LONG = "too long"
    SILENCE_ONLY = "silence only"
    CLIPPED = "clipped"
    VERY_NOISY = "very noisy"
    TAG = "unwanted tag"
    DUPLICATE = "duplicate"


def advice(reason: Reason, options: ClipOptions) -> str:
    """Advise in one sentence what to do when most clips are left out for this reason."""
    match reason:
        case Reason.TOO_SHORT:
            return f"Allow shorter clips: --min-seconds below {options.min_seconds:g}."
        case Reason.TOO_LONG:
            return (
                f"Allow longer clips (--max-seconds above {options.max_seconds:g}, at most 60), or "
                "cut them into sentences."
            )
        case Reason.VERY_NOISY:
            return "Keep noisy clips as well: --no-skip-very-noisy."
        case Reason.TAG:
            return f'Keep clips with these tags ({", ".join(options.skip_tags)}): --skip-tags "".'
        case Reason.NO_LABEL | Reason.BROKEN_LABEL:
            return (
                "Each clip needs a label.json: download the archive again. For your own "
                "recordings, `ponytaco pack` writes the labels."
            )
        case Reason.NO_AUDIO | Reason.BROKEN_AUDIO:
            return "Each clip needs an audio.wav or audio.flac: download the archive again."
        case Reason.EMPTY_TEXT | Reason.NOTHING_SPEAKABLE:
            return "Add the spoken texts to the labels."
        case Reason.SILENCE_ONLY:
            return "Record these clips again, or make them louder."
        case Reason.CLIPPED:
            return "Record these clips again at a lower level: clipping cannot be repaired."
        case Reason.DUPLICATE:
            return "Add clips that the archive does not have yet."


@dataclass(frozen=True)
class Rejection:
    """Clip that is left out."""

    ref: str
    reason: Reason
    sentence: str
    """Explanation for this very clip."""


@dataclass(frozen=True)
class Clip:
    """Clip that is kept. All times are seconds of its waveform."""

    ref: str
    waveform: Waveform
    """(T_wav,), trimmed."""

    transcript: Transcript
    """Texts. Its times are still the label's: use tokens and words below instead."""

    tags: tuple[str, ...]
    offset: Offset | None
    """None if the label has no phones or cannot belong to the audio."""

    tokens: tuple[Interval, ...]
    """Phones; empty if the offset is not trusted."""

    words: tuple[Interval, ...]
    """Words; empty likewise."""

    dropped: tuple[str, ...] = ()
    """Malformed fields of its label, which were left empty."""

    sample_rate: int = SAMPLE_RATE
    """Hz of the waveform."""

    @property
    def seconds(self) -> float:
        """Length of the waveform in seconds."""
        return len(self.waveform) / self.sample_rate


@dataclass
class Seen:
    """Clips kept so far, to recognise duplicates."""

    digests: dict[bytes, str] = field(default_factory=dict)
    """SHA-256 of a kept waveform -> ref of its clip."""


class _RejectError(Exception):
    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def examine(raw: RawClip, options: ClipOptions, seen: Seen) -> Clip | Rejection:
    """Filter and prepare one clip, with the cheapest checks first.

    Args:
        raw: the clip from the archive.
        options: what to keep.
        seen: the clips kept so far from this archive; a kept clip is added.

    Returns:
        The prepared clip, or the reason for leaving it out. No content of a clip raises an error.
    """
    try:
        label, transcript = _examine_label(raw, options)
        clip = _examine_audio(raw, label, transcript, options)
        _check_duplicate(clip, seen)
    except _RejectError as error:
        return Rejection(raw.ref, error.reason, str(error))
    return clip


def _examine_label(raw: RawClip, options: ClipOptions) -> tuple[Label, Transcript]:
    if "label" in raw.too_large:
        raise _RejectError(
            Reason.BROKEN_LABEL, f"Its label.json has more than {LARGEST_LABEL_BYTES >> 20} MB."
        )
    if raw.label is None:
        raise _RejectError(Reason.NO_LABEL, "The archive has no label.json for it.")
    try:
        label = parse_label(raw.label)
    except LabelError as error:
        raise _RejectError(Reason.BROKEN_LABEL, f"Its label cannot be used: {error}.") from None
    if options.skip_very_noisy and noise_level(label.noise) == VERY_NOISY:
        raise _RejectError(Reason.VERY_NOISY, 'It is labelled "Very Noisy".')
    unwanted = {tag.strip().lower() for tag in options.skip_tags}
    for tag in label.tags:
        if tag.strip().lower() in unwanted:
            raise _RejectError(Reason.TAG, f'It has the tag "{tag}".')
    transcript = transcribe(label, options.style_signs)
    if not transcript.text:
        raise _RejectError(Reason.EMPTY_TEXT, "Its text is empty.")
    if not is_speakable(transcript.text):
        raise _RejectError(
            Reason.NOTHING_SPEAKABLE, f'Its text "{transcript.text[:40]}" has no letter or digit.'
        )
    return label, transcript


def _examine_audio(
    raw: RawClip, label: Label, transcript: Transcript, options: ClipOptions
) -> Clip:
    if "audio" in raw.too_large:
        raise _RejectError(Reason.TOO_LONG, "Its audio file is too large for a clip.")
    if raw.audio is None:
        raise _RejectError(Reason.NO_AUDIO, "The archive has no audio for it.")
    try:
        sound = decode(raw.audio)
    except TooLongError as error:
        raise _RejectError(Reason.TOO_LONG, f"Its audio: {error}.") from None
    except AudioError as error:
        raise _RejectError(Reason.BROKEN_AUDIO, f"Its audio cannot be used: {error}.") from None
    if is_silent(sound.waveform):
        raise _RejectError(Reason.SILENCE_ONLY, "It is silent: nothing is louder than -55 dB.")
    if sound.clipped_share > MOST_CLIPPED:
        raise _RejectError(Reason.CLIPPED, f"{sound.clipped_share:.1%} of its samples are clipped.")
    start, clip = _cut_and_align(raw.ref, sound.waveform, label, transcript)
    if clip.seconds < options.min_seconds:
        raise _RejectError(
            Reason.TOO_SHORT,
            f"It lasts {clip.seconds:.2f} s, less than {options.min_seconds:g} s.",
        )
    if clip.seconds > options.max_seconds:
        raise _RejectError(
            Reason.TOO_LONG, f"It lasts {clip.seconds:.1f} s, more than {options.max_seconds:g} s."
        )
    rate = options.sample_rate
    if rate == SAMPLE_RATE:
        return clip
    first, last = (round(n * rate / SAMPLE_RATE) for n in (start, start + len(clip.waveform)))
    return replace(clip, waveform=decode(raw.audio, rate).waveform[first:last], sample_rate=rate)


def _cut_and_align(
    ref: str, waveform: Waveform, label: Label, transcript: Transcript
) -> tuple[int, Clip]:
    """Trim by the phones if they can be aligned with the audio, otherwise by its level.

    Returns:
        The first sample that is kept, and the clip.
    """
    phones, offset = spoken_phones(label), None
    if phones and label.untrimmed_seconds is not None:
        offset = find_offset(waveform, phones, label.untrimmed_seconds)
    if offset is None or not offset.trusted:
        start, end = trim_by_level(waveform)
        cut = waveform[start:end]
        return start, Clip(ref, cut, transcript, label.tags, offset, (), (), label.dropped)
    whole = Clip(ref, waveform, transcript, label.tags, offset, (), (), label.dropped)
    return cut_to_speech(whole, phones, offset.seconds)


def cut_to_speech(clip: Clip, phones: Sequence[Interval], late: float = 0.0) -> tuple[int, Clip]:
    """Trim a clip to its phones with a margin, and give it its transcript's times.

    Args:
        clip: to be trimmed.
        phones: without silences.
        late: seconds that these and the transcript's times are ahead of the waveform's.

    Returns:
        The first sample that is kept, and the clip.
    """
    rate = clip.sample_rate
    first = phones[0].start - late - SPEECH_MARGIN_SECONDS
    last = max(phone.end for phone in phones) - late + SPEECH_MARGIN_SECONDS
    start = max(0, round(first * rate))
    cut = clip.waveform[start : min(len(clip.waveform), round(last * rate))]
    shift, length = late + start / rate, len(cut) / rate
    tokens, words = (
        _shifted(times, shift, length) for times in (clip.transcript.tokens, clip.transcript.words)
    )
    return start, replace(clip, waveform=cut, tokens=tokens, words=words)


def _shifted(intervals: Sequence[Interval], shift: float, length: float) -> tuple[Interval, ...]:
    """Convert to times of the written wav; phones end where it ends."""

    def place(time: float) -> float:
        return min(max(time - shift, 0.0), length)

    return tuple(Interval(i.content, place(i.start), place(i.end)) for i in intervals)


def _check_duplicate(clip: Clip, seen: Seen) -> None:
    digest = hashlib.sha256(pcm16(clip.waveform).tobytes()).digest()
    if digest in seen.digests:
        raise _RejectError(
            Reason.DUPLICATE, f"Its audio is identical to that of {seen.digests[digest]}."
        )
    seen.digests[digest] = clip.ref
