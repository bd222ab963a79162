"""Facts about characters that last from session to session, in ``colab/characters.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ponytaco.io.atomic import atomic_write
from ponytaco.notebook.storage import Storage
from ponytaco.printable import say


def read_notes(storage: Storage) -> dict[str, dict[str, Any]]:
    """Return facts by character: minutes, clips, last_used (seconds since 1970), archive's folder.

    They come from a file that anything may have changed: see ``number_or_none``.
    """
    path = _path(storage)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        say(f"{path} cannot be read ({error}); minutes and last use are unknown.")
        return {}
    if not isinstance(content, dict):
        say(f"{path} is not a table of characters; minutes and last use are unknown.")
        return {}
    return {name: facts for name, facts in content.items() if isinstance(facts, dict)}


def add_notes(storage: Storage, character: str, **facts: float | str) -> None:
    """Add facts about a character, or replace those of the same names."""
    notes = read_notes(storage)
    notes.setdefault(character, {}).update(facts)
    path = _path(storage)
    try:
        path.parent.mkdir(exist_ok=True)  # not in a mount point of Drive that is gone
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(notes, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        # Only the list of characters needs them: no reason to stop.
        say(f"Could not write {path} ({error.strerror}); the list will not show the last use.")


def number_or_none(value: Any) -> float | None:
    """Return a fact that is a number from 0 to 10^12, None for anything else."""
    return float(value) if type(value) in (int, float) and 0 <= value < 1e12 else None


def _path(storage: Storage) -> Path:
    return storage.runs / "characters.json"
