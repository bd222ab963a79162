"""Descriptions of saves, and the pointer file that names the newest and the best."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ponytaco.io.store.files import digest

_NAME = re.compile(r"(?:best-)?step-(\d{8,15})-([0-9a-f]{16})")
_MOST_POINTER_BYTES = 2**16


@dataclass(frozen=True)
class Save:
    """One save, identified by the digest of its bytes."""

    step: int
    size: int
    sha256: str
    time: str
    """When it was made, ISO 8601 in UTC."""

    @property
    def name(self) -> str:
        """Its file name, which allows to verify it even when the pointer is lost."""
        return f"step-{self.step:08d}-{self.sha256[:16]}"

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
        """Read a pointer file; None if it is missing, incomplete or not a pointer."""
        try:
            with path.open("rb") as file:
                content = json.loads(file.read(_MOST_POINTER_BYTES))
            best = content["best"]
            saves = tuple(_save(entry) for entry in content["saves"])
            return cls(saves, None if best is None else _save(best))
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None


def describe(path: Path, step: int) -> Save:
    """Describe a file that holds a save of a step."""
    return Save(step, path.stat().st_size, digest(path), written_at(path))


def written_at(path: Path) -> str:
    """Return a file's modification time, ISO 8601 in UTC, so that texts sort by time.

    '' if the file is missing.
    """
    try:
        time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return ""
    return time.isoformat(timespec="microseconds")


def parse_name(name: str) -> tuple[int, str] | None:
    """Return a save's step and the first 16 digits of its digest; None for other file names."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), found[2]) if found else None


def _save(entry: Any) -> Save:
    save = Save(**entry)
    if type(save.step) is not int or not 0 <= save.step < 10**15 or type(save.size) is not int:
        raise ValueError("not a save")
    if not re.fullmatch("[0-9a-f]{64}", save.sha256) or not isinstance(save.time, str):
        raise ValueError("not a save")
    return save
