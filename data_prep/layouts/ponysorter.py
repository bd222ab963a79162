"""Labels of PonySorter: a JSON file for each episode, with the clips' times, speakers and texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data_prep.layouts.files import Files, folded, read_head, without_suffix
from data_prep.layouts.found import Found, LeftOut, Recording, RecordingsError
from data_prep.layouts.texts import check_text, read_any_text
from data_prep.vocabulary import full_name, noise_level, split_tags

_HEAD_BYTES = 4096


def find_ponysorter(files: Files) -> Found | None:
    """Find episodes with labels of PonySorter, each a JSON beside or apart from its sound.

    Returns:
        None if there is no such file.
    """
    found = Found("labels of PonySorter, which tell where each clip of an episode is")
    sounds = {folded(without_suffix(sound.name)): sound for sound in files.sounds}
    is_any, used = False, set()
    for path in files.others:
        labels = _read_labels(path)
        if labels is None:
            continue
        is_any = True
        sound = sounds.get(folded(path.stem)) or sounds.get(folded(without_suffix(path.stem)))
        if sound is None:
            found.without_sound += 1
            reason = "has labels of a whole episode; there is no recording of its name"
            found.left_out.append(LeftOut(path.name, reason))
            continue
        used.add(sound)
        for number, label in enumerate(labels, start=1):
            try:
                found.recordings.append(_read_label(label, sound))
            except RecordingsError as error:
                found.left_out.append(LeftOut(f"{path.name}, label {number}", str(error)))
    if not is_any:
        return None
    for sound in files.sounds:
        if sound not in used:
            found.without_text += 1
            found.left_out.append(LeftOut(sound.name, "there are no labels of its name"))
    found.left_out = [*files.left_out, *found.left_out]
    found.names_are_characters = any(r.character for r in found.recordings)
    return found


def _read_labels(path: Path) -> list[Any] | None:
    if path.suffix.casefold() != ".json" or b'"labels"' not in read_head(path, _HEAD_BYTES):
        return None
    try:
        content = json.loads(read_any_text(path))
    except (ValueError, RecursionError, RecordingsError):
        return None
    labels = content.get("labels") if isinstance(content, dict) else None
    return labels if isinstance(labels, list) else None


def _read_label(label: Any, sound: Path) -> Recording:
    """Read one label.

    Raises:
        RecordingsError: a clause that tells why it cannot be used.
    """
    if not isinstance(label, dict):
        raise RecordingsError("is not an object")
    start, end = _time(label.get("start")), _time(label.get("end"))
    if start is None or end is None or not 0 <= start < end:
        raise RecordingsError("has no times, or ends before it starts")
    text, character = label.get("transcript"), label.get("character")
    if not isinstance(text, str):
        raise RecordingsError("has no text")
    if problem := check_text(text):
        raise RecordingsError(problem)
    mood = label.get("mood")
    if isinstance(mood, list):
        tags = tuple(tag for tag in mood if isinstance(tag, str))
    else:
        tags = split_tags(mood) if isinstance(mood, str) else ()
    noise = label.get("noise_level")
    return Recording(
        sound,
        " ".join(text.split()),
        character=full_name(character) if isinstance(character, str) else "",
        tags=tags,
        noise=noise_level(noise) or "" if isinstance(noise, str) else "",
        span=(start, end),
    )


def _time(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
