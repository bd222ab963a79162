"""What was found in a folder of recordings, and how it was understood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.vocabulary import full_name
from ponytaco.errors import PonytacoError
from ponytaco.formatting import and_more, counted, shorten
from ponytaco.io.strangers import LINK_OUTSIDE

LONGEST_SHOWN = 60
MOST_CHARACTERS_SHOWN = 12


class RecordingsError(PonytacoError):
    """Recordings that cannot be packed; the message tells what, where and what to do next."""


@dataclass(frozen=True)
class Recording:
    """Sound and its text."""

    sound: Path
    text: str
    character: str = ""
    """Who speaks, in full; empty if nothing tells."""

    tags: tuple[str, ...] = ()
    noise: str = ""
    """Empty, "Noisy" or "Very Noisy"."""

    span: tuple[float, float] | None = None
    """Seconds of the sound from which and up to which the clip goes; None for all of it."""

    label: Path | None = None
    """A soundtools label beside the sound, which is taken as it is."""


@dataclass(frozen=True)
class LeftOut:
    """File or row that is not taken."""

    name: str
    reason: str
    """A clause without a full stop."""

    def __str__(self) -> str:
        end = "" if self.reason.endswith("?") else "."
        return f"{self.name}{' ' if self.reason == LINK_OUTSIDE else ': '}{self.reason}{end}"


@dataclass
class Found:
    """Recordings of a folder, and what was understood of its layout."""

    layout: str
    """Such as "a table, metadata.csv, whose columns are parted by |"."""

    recordings: list[Recording] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    columns: list[tuple[str, ...]] = field(default_factory=list)
    """Role and two examples of each column of a table."""

    of_others: list[LeftOut] = field(default_factory=list)
    """Recordings of other characters than the chosen one."""

    without_text: int = 0
    """Sounds without a text."""

    without_sound: int = 0
    """Texts without a sound."""

    names_are_characters: bool = False
    """Whether the names stand for people that the user knows, not for a table's own numbers."""

    @property
    def characters(self) -> Counter[str]:
        """Characters with their numbers of recordings; "" for those without a name."""
        return Counter(recording.character for recording in self.recordings)


def describe(found: Found) -> list[str]:
    """Describe in some lines how a folder was understood."""
    lines = [f"Understood as {found.layout}."]
    columns = shown_columns(found)
    width = max((len(role) for role, *_ in columns), default=0)
    for role, *cells in columns:
        shown = "   ".join(f"“{shorten(cell, LONGEST_SHOWN)}”" for cell in cells)
        lines.append(f"  {role.ljust(width)}  {shown}")
    return [*lines, *count_found(found)]


def count_found(found: Found) -> list[str]:
    """Tell who speaks in a folder, and how many sounds and texts it has."""
    names = found.characters
    told = len(names) > 1 or any(names)
    return [f"Characters: {name_characters(names)}."] * told + [
        f"{counted(len(found.recordings), 'clip')} with sound and text, "
        f"{counted(found.without_text, 'sound')} without a text, "
        f"{counted(found.without_sound, 'text')} without a sound."
    ]


def shown_columns(found: Found) -> list[tuple[str, ...]]:
    """Return the role and two examples of each column, or of what stands in their place."""
    return found.columns or list(_columns(found.recordings))


def _columns(recordings: Sequence[Recording]) -> Iterator[tuple[str, ...]]:
    """Return what stands in the place of columns where there is no table."""
    first = recordings[:2]
    yield "sound", *(recording.sound.name for recording in first)
    if any(recording.span for recording in first):
        yield "seconds", *(f"{r.span[0]:.2f} to {r.span[1]:.2f}" for r in first if r.span)
    yield "text", *(recording.text for recording in first)
    if any(recording.tags for recording in first):
        yield "tags", *(", ".join(recording.tags) for recording in first)


def name_characters(names: Counter[str]) -> str:
    """List characters with their numbers of clips, the largest first."""
    listed = [f"{name or 'without a name'} ({count:,})" for name, count in names.most_common()]
    return and_more(listed, MOST_CHARACTERS_SHOWN)


def choose_character(found: Found, character: str, folder: Path) -> None:
    """Keep the recordings of one character where a folder has those of several.

    Args:
        found: from a layout; what is not of the character is moved to ``of_others``.
        character: its name, short or in full; "" if none was given.
        folder: for messages.

    Raises:
        RecordingsError: if there are several and none was given, or the given one is not there.
    """
    names = found.characters
    known = [name for name, _ in names.most_common() if name]
    wanted = next((n for n in known if n.casefold() == full_name(character).casefold()), None)
    is_told = len(known) > 1 or (known and found.names_are_characters)
    if not is_told or (len(known) == 1 and not character):
        return
    if wanted is None:
        is_guess = "without a header" in found.layout
        hint = " If this is not who speaks, write a header such as file|text above the rows."
        who = f"There is no {character} among them. " if character else ""
        raise RecordingsError(
            f"{folder}: has clips of {name_characters(names)}. {who}"
            f'Choose one: --character "{known[0]}".{hint * is_guess}'
        )
    others = [r for r in found.recordings if r.character != wanted]
    found.of_others += [LeftOut(str(r.sound.name), _spoken_by(r.character)) for r in others]
    found.recordings = [r for r in found.recordings if r.character == wanted]


def _spoken_by(character: str) -> str:
    return f"is spoken by {character}" if character else "nothing tells who speaks"
