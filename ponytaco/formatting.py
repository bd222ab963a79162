"""Durations, sizes, lists and long texts, written for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def duration(seconds: float) -> str:
    """Write a duration as '45 s', '12 min', '3 h 20 min' or '2.5 days'."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes / (24 * 60):.1f} days"


def file_size(n_bytes: float) -> str:
    """Write a size as '640 kB', '86 MB' or '1.2 GB'."""
    if n_bytes < 1e6:
        return f"{n_bytes / 1e3:.0f} kB"
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:.1f} GB"


def and_more(names: Sequence[str], most: int) -> str:
    """List the first ``most`` names and count the others, as 'a, b and 3 more'."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def counted(number: int, noun: str) -> str:
    """Write a number of things as '1 clip' or '1,200 clips'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ' Did you mean X?' for the known name that is nearest to a misspelt one, or ''."""
    import difflib  # only the way to a good error message needs it

    names = {other.lower(): other for other in known}
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return f" Did you mean {names[close[0]]}?" if close else ""


def shorten(text: str, most: int) -> str:
    """Cut a text to at most so many characters, the last an ellipsis where it was longer."""
    return text if len(text) <= most else text[: most - 1] + "…"
