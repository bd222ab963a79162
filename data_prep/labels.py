"""Label of one soundtools clip: speaker, text, and when each word and phone is spoken."""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from data_prep.vocabulary import split_tags
from ponytaco.errors import PonytacoError
from ponytaco.io.text_files import decode_text

LONGEST_TEXT = 2_000
"""Characters. 15 seconds of fast speech are about 300; more is a mistake in the label."""

LONGEST_NAME = 200
"""Characters of a tag, a word, a phone, and any other text but the transcript."""

MOST_TAGS = 100
"""Of one clip; real ones have one to three."""

LONGEST_TIME_SECONDS = 1e6
"""Later than any moment of any episode (11 days); a larger number is garbage."""

MOST_INTERVALS = 10_000
"""Words or phones of one clip; 15 seconds of fast speech contain about 300 phones."""


OVERLAP_SECONDS, MOST_OVERLAPPING = 0.05, 0.1
"""Phones that overlap by more, and the share of them from which none of a label is believed."""

EARLIEST_SECONDS = -0.1
"""Times below 0 that are taken for 0: an aligner's rounding."""


_NUMBER = re.compile(r"-?\d{1,9}(\.\d{0,12})?")


class LabelError(PonytacoError):
    """Unusable label; the message is a clause that gives the reason, without a full stop."""


class _FieldError(LabelError):
    """Malformed field, which is dropped; the text and the sound of the clip stay."""


@dataclass(frozen=True)
class Interval:
    """A word or a phone with its start and end time."""

    content: str
    """The word in lower case, or the phone, such as "HH", "AH0" or "sil"."""

    start: float
    """Seconds from the start of the clip before its silence was trimmed."""

    end: float
    """Seconds, never before start."""


@dataclass(frozen=True)
class Label:
    """Content of a label. All times are seconds, see Interval."""

    text: str
    """The transcript as it was typed, not cleaned."""

    character: str = ""
    episode: str = ""
    tags: tuple[str, ...] = ()
    """Styles and other marks, such as "Happy" or "Singing"."""

    noise: str = ""
    """Empty, "Noisy" or "Very Noisy"."""

    episode_interval: tuple[float, float] | None = None
    """Position of the clip in its episode, as long as the clip before trimming."""

    words: tuple[Interval, ...] = ()
    phones: tuple[Interval, ...] = ()

    dropped: tuple[str, ...] = ()
    """Why fields are left empty that the label has; clauses such as 'its "tags" are not texts'."""

    @property
    def untrimmed_seconds(self) -> float | None:
        """Length of the clip before its silence was trimmed; None if the label lacks it."""
        if self.episode_interval is None:
            return None
        return self.episode_interval[1] - self.episode_interval[0]


def make_label(
    text: str,
    seconds: float,
    character: str,
    episode: str,
    tags: Sequence[str] = (),
    noise: str = "",
    words: Sequence[Interval] = (),
    phones: Sequence[Interval] = (),
) -> dict[str, Any]:
    """Build the content of a label.json for a clean clip that was not trimmed.

    Args:
        text: the transcript.
        seconds: length of the clip.
        character: the speaker.
        episode: where the clip comes from.
        tags: its styles.
        noise: empty, "Noisy" or "Very Noisy".
        words: the words with their times, if they are known.
        phones: the phones with their times, if they are known.

    Returns:
        What `parse_label` reads, to be written as JSON.
    """
    return {
        "character": character,
        "episode": episode,
        "tags": list(tags),
        "noise": noise,
        "utterance": {"content": text, "episode_interval": [0.0, seconds]},
        "words": times_as_json(words),
        "phones": times_as_json(phones),
    }


def times_as_json(intervals: Sequence[Interval]) -> list[dict[str, Any]]:
    """Return words or phones as they stand in a label.json."""
    return [
        {"content": i.content, "interval": [round(i.start, 5), round(i.end, 5)]} for i in intervals
    ]


def parse_label(data: bytes) -> Label:
    """Read a label.json.

    Only the text is required; other fields that are missing or malformed stay empty.

    Args:
        data: content of the file.

    Returns:
        The label, with words and phones sorted by time.

    Raises:
        LabelError: if it has no usable text, or is too large to be a clip's.
    """
    raw = _read_json(data)
    if not isinstance(raw, dict):
        raise LabelError("it is not a JSON object")
    utterance = raw.get("utterance")
    if not isinstance(utterance, dict):
        raise LabelError('it has no "utterance" object')
    if "content" not in utterance:
        raise LabelError('its utterance has no "content"')
    dropped: list[str] = []

    def field(read: Callable[[], Any], empty: Any = ()) -> Any:
        try:
            return read()
        except _FieldError as error:
            dropped.append(str(error))
            return empty

    label = Label(
        text=_text(utterance, "content", "its text", LONGEST_TEXT),
        character=field(lambda: _text(raw, "character"), ""),
        episode=field(lambda: _text(raw, "episode"), ""),
        tags=field(lambda: _tags(raw)),
        noise=field(lambda: _text(raw, "noise"), ""),
        episode_interval=field(lambda: _episode_interval(utterance), None),
        words=field(lambda: _intervals(raw, "words")),
        phones=field(lambda: _intervals(raw, "phones")),
    )
    return replace(label, dropped=tuple(dropped))


def _read_json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except UnicodeDecodeError:
        text = decode_text(data, "it", LabelError, fallback="cp1252")
    except RecursionError:
        raise LabelError("it is nested too deeply") from None
    # Besides its subclasses for JSON and UTF-8: an integer of thousands of digits.
    except ValueError as error:
        raise LabelError(f"it is not readable JSON ({str(error)[:100]})") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LabelError(f"it is not readable JSON ({str(error)[:100]})") from None


def _episode_interval(utterance: dict) -> tuple[float, float] | None:
    value = utterance.get("episode_interval")
    return None if value is None else _interval(value, "episode_interval")


def _text(source: dict, key: str, name: str = "", longest: int = LONGEST_NAME) -> str:
    """Return a text, '' if there is none; ``name`` is what a message calls it."""
    value = source.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise (LabelError if name == "its text" else _FieldError)(f'its "{key}" is not a text')
    if len(value) > longest:
        named = name or f'its "{key}"'
        raise LabelError(f"{named} has {len(value)} characters, more than {longest}")
    return value


def _tags(source: dict) -> tuple[str, ...]:
    value = source.get("tags")
    if value is None:
        return ()
    if isinstance(value, str) and len(value) <= LONGEST_NAME:
        return split_tags(value)
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise _FieldError('its "tags" are not a list of texts')
    if len(value) > MOST_TAGS:
        raise LabelError(f"it has {len(value)} tags, more than {MOST_TAGS}")
    longest = max(map(len, value), default=0)
    if longest > LONGEST_NAME:
        raise LabelError(f"one of its tags has {longest} characters, more than {LONGEST_NAME}")
    return tuple(value)


def _intervals(source: dict, key: str) -> tuple[Interval, ...]:
    value = source.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _FieldError(f'its "{key}" are not a list')
    if len(value) > MOST_INTERVALS:
        raise LabelError(f'it has {len(value)} "{key}", more than {MOST_INTERVALS}')
    found = []
    for item in value:
        if not isinstance(item, dict):
            raise _FieldError(f'one of its "{key}" is not an object')
        start, end = _interval(item.get("interval"), f"interval of its {key}")
        found.append(Interval(_text(item, "content", f"one of its {key}"), start, end))
    found.sort(key=lambda interval: (interval.start, interval.end))
    if key == "phones":
        _check_overlap(found)
    return tuple(found)


def _check_overlap(phones: Sequence[Interval]) -> None:
    """Refuse phones that do not follow each other: their ends are wrong."""
    pairs = list(zip(phones, phones[1:], strict=False))
    overlapping = sum(later.start < earlier.end - OVERLAP_SECONDS for earlier, later in pairs)
    if overlapping > MOST_OVERLAPPING * len(phones):
        raise _FieldError(f"{overlapping} of its {len(phones)} phones begin before others end")


def _interval(value: object, name: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise _FieldError(f"an {name} is not a pair of times")
    start, end = (_time(moment, name) for moment in value)
    if end < start:
        raise _FieldError(f"an {name} ends before it starts")
    return start, end


def _time(value: object, name: str) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    # bool is a subclass of int in Python, but true is not a time.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _FieldError(f"an {name} contains something that is not a number")
    if not EARLIEST_SECONDS <= value <= LONGEST_TIME_SECONDS or not math.isfinite(value):
        raise _FieldError(f"an {name} contains an impossible time")
    return max(0.0, float(value))
