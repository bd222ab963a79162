"""What the notebooks remember of characters between sessions: ``colab/characters.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ponytaco.io.atomic import replacing
from ponytaco.notebook.storage import Storage


def recall(storage: Storage) -> dict[str, dict[str, Any]]:
    """The remembered facts by character's name: 'minutes', 'clips', 'last_used' (seconds)."""
    path = _path(storage)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        print(f"{path} cannot be read ({error}); minutes and last use are unknown.")
        return {}
    if not isinstance(content, dict):
        print(f"{path} is not a table of characters; minutes and last use are unknown.")
        return {}
    return {name: facts for name, facts in content.items() if isinstance(facts, dict)}


def note(storage: Storage, character: str, **facts: float) -> None:
    """Add facts about a character to what is remembered."""
    known = recall(storage)
    known.setdefault(character, {}).update(facts)
    path = _path(storage)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        # Only the order of the list depends on it: no reason to stop a training.
        print(f"Could not write {path} ({error.strerror}); the list will not know the last use.")


def number(value: Any) -> float | None:
    """A remembered value, if it is a number after all."""
    return float(value) if isinstance(value, int | float) and value >= 0 else None


def _path(storage: Storage) -> Path:
    return storage.runs / "characters.json"
