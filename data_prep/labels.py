"""The label of one soundtools clip: who speaks, what is said, and which phone sounds when."""

import json
import math
from dataclasses import dataclass

LONGEST_TEXT = 2_000
"""Characters. 15 seconds of fast speech are about 300; more is a mistake in the label."""

LONGEST_TIME_SECONDS = 1e6
"""Later than any moment of any episode (11 days); a larger number is garbage."""

MOST_INTERVALS = 10_000
"""Words or phones of one clip; 15 seconds of fast speech hold about 300 phones."""


class LabelError(ValueError):
    """A label that cannot be used; its text is a sentence that says why."""


@dataclass(frozen=True)
class Interval:
    """A word or a phone and the time it takes."""

    content: str
    """The word, lower case, or the phone, such as "HH", "AH0" or "sil"."""

    start: float
    """Seconds from the start of the clip before its silence was trimmed."""

    end: float
    """Seconds, never before start."""


@dataclass(frozen=True)
class Label:
    """What soundtools knows of a clip. All times are seconds, see Interval."""

    text: str
    """What is said, as it was typed, not cleaned."""

    character: str = ""
    episode: str = ""
    tags: tuple[str, ...] = ()
    """Moods such as "Happy" or "Singing"."""

    noise: str = ""
    """Empty, "Noisy" or "Very Noisy"."""

    episode_interval: tuple[float, float] | None = None
    """Where the clip lies in its episode; its length is that of the clip before trimming."""

    words: tuple[Interval, ...] = ()
    phones: tuple[Interval, ...] = ()

    @property
    def untrimmed_seconds(self) -> float | None:
        """Length of the clip before its silence was trimmed; None where the label lacks it."""
        if self.episode_interval is None:
            return None
        return self.episode_interval[1] - self.episode_interval[0]


def parse_label(data: bytes) -> Label:
    """Read a label.json.

    Only the text is required; what else is missing stays empty. What is there must be right.

    Args:
        data: the bytes of the file.

    Returns:
        The label; its words and phones sorted by time.

    Raises:
        LabelError: with a sentence that says what is wrong.
    """
    try:
        raw = json.loads(data)
    except RecursionError:
        raise LabelError("it is nested too deeply") from None
    except ValueError as error:
        raise LabelError(f"it is not readable JSON ({str(error)[:100]})") from None
    if not isinstance(raw, dict):
        raise LabelError("it is not a JSON object")
    utterance = raw.get("utterance")
    if not isinstance(utterance, dict):
        raise LabelError('it has no "utterance" object')
    if "content" not in utterance:
        raise LabelError('its utterance has no "content"')
    text = _text(utterance, "content")
    if len(text) > LONGEST_TEXT:
        raise LabelError(f"its text has {len(text)} characters, more than {LONGEST_TEXT}")
    return Label(
        text=text,
        character=_text(raw, "character"),
        episode=_text(raw, "episode"),
        tags=_tags(raw),
        noise=_text(raw, "noise"),
        episode_interval=(
            _interval(utterance["episode_interval"], "episode_interval")
            if utterance.get("episode_interval") is not None
            else None
        ),
        words=_intervals(raw, "words"),
        phones=_intervals(raw, "phones"),
    )


def _text(source: dict, key: str) -> str:
    value = source.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise LabelError(f'its "{key}" is not a text')
    return value


def _tags(source: dict) -> tuple[str, ...]:
    value = source.get("tags")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise LabelError('its "tags" are not a list of texts')
    return tuple(value)


def _intervals(source: dict, key: str) -> tuple[Interval, ...]:
    value = source.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise LabelError(f'its "{key}" are not a list')
    if len(value) > MOST_INTERVALS:
        raise LabelError(f'its "{key}" are {len(value)}, more than {MOST_INTERVALS}')
    found = []
    for item in value:
        if not isinstance(item, dict):
            raise LabelError(f'one of its "{key}" is not an object')
        start, end = _interval(item.get("interval"), f"interval of its {key}")
        found.append(Interval(_text(item, "content"), start, end))
    return tuple(sorted(found, key=lambda interval: (interval.start, interval.end)))


def _interval(value: object, name: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise LabelError(f"an {name} is not a pair of times")
    start, end = (_time(moment, name) for moment in value)
    if end < start:
        raise LabelError(f"an {name} ends before it starts")
    return start, end


def _time(value: object, name: str) -> float:
    # bool is an int to Python, but true is no time.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LabelError(f"an {name} holds something that is not a number")
    if not 0 <= value <= LONGEST_TIME_SECONDS or not math.isfinite(value):
        raise LabelError(f"an {name} holds an impossible time")
    return float(value)
