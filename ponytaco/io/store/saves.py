"""Descriptions of saves, and the pointer file that names the newest and the best."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ponytaco.io.store.files import digest

_NAME = re.compile(r"(?:best-|unread-)?step-(\d{8,15})-([0-9a-f]{16})(?:-(\d{1,19})\.(\d{1,9}))?")
_MOST_POINTER_BYTES = 2**16

MOST_SESSIONS = 2**60
"""A file with a larger number of a session is a stranger's. One that is damaged may count far, and
sessions go on from there: every number that they come to must be read again."""


@dataclass(frozen=True)
class Save:
    """One save, identified by the digest of its bytes."""

    step: int
    size: int
    sha256: str
    time: str
    """When it was made, ISO 8601 in UTC, for messages only: clocks are set back."""
    session: int = 0
    """Number of the run's session that made it; 0 if an older ponytaco did."""
    number: int = 0
    """Number of the save in its session."""

    @property
    def name(self) -> str:
        """Its file name, which allows to verify and order it even when the pointer is lost."""
        order = f"-{self.session}.{self.number}" if self.session else ""
        return f"step-{self.step:08d}-{self.sha256[:16]}{order}"

    @property
    def order(self) -> tuple[int, int, int]:
        """The order in which saves were made. Steps alone may go back."""
        return self.session, self.number, self.step

    def __str__(self) -> str:
        """Format for messages: 'step 1,200 (2026-08-19 11:05 UTC)'."""
        return f"step {self.step:,} ({self.time[:16].replace('T', ' ')} UTC)"


@dataclass(frozen=True)
class Pointer:
    """The saves of a run, the newest first, and the best one."""

    saves: tuple[Save, ...] = ()
    best: Save | None = None

    def to_bytes(self) -> bytes:
        """Encode as JSON."""
        content = {
            "saves": [asdict(s) for s in self.saves],
            "best": self.best and asdict(self.best),
        }
        return (json.dumps(content, indent=1) + "\n").encode()

    @classmethod
    def read(cls, path: Path) -> Pointer | None:
        """Read a pointer file; None if it is missing, incomplete or not a pointer.

        Raises:
            OSError: if it cannot be read.
        """
        try:
            with path.open("rb") as file:
                text = file.read(_MOST_POINTER_BYTES)
        except FileNotFoundError:
            return None
        try:
            content = json.loads(text)
            best = content["best"]
            saves = tuple(_save(entry) for entry in content["saves"])
            return cls(saves, None if best is None else _save(best))
        except (ValueError, LookupError, TypeError, RecursionError):
            return None


def describe(path: Path, step: int, session: int = 0, number: int = 0) -> Save:
    """Describe a file that holds a save of a step."""
    status = path.stat()
    time = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="microseconds")
    return Save(step, status.st_size, digest(path), time, session, number)


@dataclass(frozen=True)
class Name:
    """What a save's file name tells."""

    digest: str
    """The first 16 digits of the sha256."""
    order: tuple[int, int, int]
    """As ``Save.order``."""


def parse_name(name: str) -> Name | None:
    """Parse a save's file name; None for other file names."""
    found = _NAME.fullmatch(name)
    if found is None or int(found[3] or 0) >= MOST_SESSIONS:
        return None
    return Name(found[2], (int(found[3] or 0), int(found[4] or 0), int(found[1])))


def _save(entry: Any) -> Save:
    save = Save(**entry)
    counts = (save.step, save.size, save.number)
    if any(type(count) is not int or not 0 <= count < 10**15 for count in counts):
        raise ValueError("not a save")
    if type(save.session) is not int or not 0 <= save.session < MOST_SESSIONS:
        raise ValueError("not a save")
    if not re.fullmatch("[0-9a-f]{64}", save.sha256) or not isinstance(save.time, str):
        raise ValueError("not a save")
    return save
