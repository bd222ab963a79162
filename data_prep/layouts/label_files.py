"""Files of labels beside a long recording: Audacity's, and subtitles (SRT, WebVTT)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_AUDACITY = re.compile(r"\s*(-?\d+(?:[.,]\d+)?)\t(-?\d+(?:[.,]\d+)?)(?:\t(.*))?")
# Other programs part the same with spaces or commas; then the numbers have decimals.
_SPACED = re.compile(r"\s*(-?\d+\.\d+)[ ,;]+(-?\d+\.\d+)(?:[ ,;]+(.*))?")
_SPECTRAL = re.compile(r"\\\t")
_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2}[.,]\d{1,3})"
_CUE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}.*")
# Whisper's own output, and subtitles on one line each.
_BRACKETED = re.compile(rf"\s*\[?{_TIME}\s*-->\s*{_TIME}\]?\s*(\S.*)")
_MARKUP = re.compile(r"<[^>]*>|\{\\[^}]*\}")


@dataclass(frozen=True)
class Span:
    """Stretch of a recording and what is said in it."""

    start: float
    """Seconds."""

    end: float
    text: str


def is_label_file(content: str) -> bool:
    """Whether a text is a file of labels."""
    return bool(read_spans(content))


def read_spans(content: str) -> list[Span]:
    """Read a file of labels.

    Args:
        content: its text.

    Returns:
        The stretches in the file's order, those without a text too; none if it is no such file.
    """
    lines = re.split(r"\r\n?|\n", content.strip("\ufeff \r\n"))
    return _read_audacity(lines) or _read_subtitles(lines)


def _read_audacity(lines: list[str]) -> list[Span]:
    spans = []
    for line in lines:
        if not line.strip() or _SPECTRAL.match(line):  # the frequencies of a selection
            continue
        found = _AUDACITY.fullmatch(line) or _SPACED.fullmatch(line)
        if not found:
            return []
        start, end = (float(found[i].replace(",", ".")) for i in (1, 2))
        spans.append(Span(start, end, (found[3] or "").strip()))
    return spans


def _read_subtitles(lines: list[str]) -> list[Span]:
    spans: list[Span] = []
    place = 0
    while place < len(lines):
        bracketed = _BRACKETED.fullmatch(lines[place])
        if bracketed and lines[place].lstrip().startswith("["):
            times = bracketed.groups()
            spans.append(Span(_seconds(*times[:3]), _seconds(*times[3:6]), times[6].strip()))
            place += 1
            continue
        found = _CUE.fullmatch(lines[place])
        place += 1
        if not found:
            continue
        text = []
        while place < len(lines) and lines[place].strip():
            text.append(_MARKUP.sub("", lines[place]).strip())
            place += 1
        start, end = _seconds(*found.groups()[:3]), _seconds(*found.groups()[3:])
        spans.append(Span(start, end, " ".join(text)))
    return spans


def _seconds(hours: str | None, minutes: str, seconds: str) -> float:
    return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds.replace(",", "."))
