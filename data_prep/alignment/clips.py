"""Phone times for the clips of a dataset that came without."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from data_prep.alignment.aligner import Alignment
from data_prep.alignment.pool import AlignmentPool, Sound, why_not
from data_prep.clip_filter import Clip, Rejection, cut_to_speech
from data_prep.labels import Label
from data_prep.options import ClipOptions
from data_prep.transcripts import spoken_phones, style_sign, transcribe


@dataclass(frozen=True)
class Aligned:
    """A clip, or why it was left out, after alignment."""

    result: Clip | Rejection
    is_new: bool = False
    """Whether its phone times were found here."""

    suspicion: str = ""
    """Why its text may not be what is said, as a sentence."""


def align_clips(
    results: Iterable[Clip | Rejection], n_clips: int, options: ClipOptions
) -> Iterator[Aligned]:
    """Find the phone times of clips that have none, as if they came from their labels.

    Where it cannot be done, clips stay as they are: see `why_not`.

    Args:
        results: of the clip filter.
        n_clips: how many will come, at most.
        options: of the preparation.
    """
    with AlignmentPool(n_clips if options.align and not why_not() else 0) as pool:
        for result, outcome in pool.outcomes(results, _to_align):
            if outcome.alignment is None or isinstance(result, Rejection):
                yield Aligned(result, suspicion=outcome.suspicion)
            else:
                timed = with_phone_times(result, outcome.alignment, options.style_signs)
                yield Aligned(timed, is_new=True)


def _to_align(result: Clip | Rejection) -> Sound | None:
    if isinstance(result, Rejection) or result.tokens:
        return None
    return Sound(result.transcript.text, result.waveform, result.sample_rate)


def with_phone_times(clip: Clip, alignment: Alignment, style_signs: bool = False) -> Clip:
    """Return a clip with the texts and times that a label of this alignment gives, cut to it."""
    sign = style_sign(clip.tags) if style_signs else ""
    label = Label(
        clip.transcript.text.removeprefix(sign), tags=clip.tags,
        words=alignment.words, phones=alignment.phones,
    )  # fmt: skip
    transcript = replace(transcribe(label, style_signs), replaced=clip.transcript.replaced)
    return cut_to_speech(replace(clip, transcript=transcript), spoken_phones(label))[1]
