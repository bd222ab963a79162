"""A text beside each sound: equal names, or those that differ as other programs make them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from data_prep.layouts.files import Files, folded, is_sound_name, without_suffix
from data_prep.layouts.found import Found, LeftOut, Recording, RecordingsError
from data_prep.layouts.label_files import Span, read_spans
from data_prep.layouts.sliced_dialogue import (
    LABEL_FOLDERS,
    LABELS,
    LEFT_OUT_FOLDERS,
    ClipName,
    parse_name,
)
from data_prep.layouts.texts import check_text, read_any_text, without_name
from data_prep.sound_files import SOUND_SUFFIXES
from data_prep.vocabulary import NOISY, VERY_NOISY
from ponytaco.io.strangers import LINK_OUTSIDE

_TEXT_SUFFIXES = (".normalized.txt", ".original.txt", ".txt", ".lab", ".srt", ".vtt")
_OUT_OF_USE = "is part of the Master File, but no clip"
_SONGS = "songs"


def find_pairs(files: Files) -> Found:
    """Pair the sounds of a folder with texts, and read what their names tell."""
    left_out = list(files.left_out)
    sounds = [s for s in files.sounds if not _is_unused(s, files.root)]
    texts = [t for t in files.others if _text_stem(t.name) is not None]
    aside = [t for t in texts if _is_aside(t, files.root)]
    texts = [t for t in texts if not _is_aside(t, files.root)]
    outside = [entry.name for entry in files.left_out if entry.reason == LINK_OUTSIDE]
    pairs = _pair(sounds, texts)
    paired = {_exact(sound, without_suffix(sound.name)) for sound in pairs}
    found = Found("", left_out=left_out)
    for sound in sounds:
        text = pairs.get(sound)
        if text is None:
            expected = f"{without_suffix(sound.name)}.txt"
            if _exact(sound, without_suffix(sound.name)) in paired:
                left_out.append(LeftOut(sound.name, "another sound of its name is taken"))
            elif expected not in outside:
                found.without_text += 1
                left_out.append(LeftOut(sound.name, f"has no {expected} beside it"))
            continue
        try:
            taken = list(_read_pair(sound, text, left_out, files.root))
        except RecordingsError as error:
            reason = str(error).removeprefix("Cannot read ").replace(str(text), "it").rstrip(".")
            left_out.append(LeftOut(text.name, reason.removeprefix("it: ").removeprefix("it, ")))
            continue
        found.recordings += taken
    _name_the_rest(found, files, texts, aside, set(pairs.values()))
    _take_whole_episodes(found, files, [t for t in aside if _is_whole_episode(t, files.root)])
    found.left_out += [
        LeftOut(s.name, _OUT_OF_USE) for s in files.sounds if _is_unused(s, files.root)
    ]
    found.names_are_characters = any(r.character for r in found.recordings)
    found.layout = _layout(found)
    return found


def _layout(found: Found) -> str:
    if found.names_are_characters:
        return "Sliced Dialogue: names tell character, tags and noise, texts lie beside"
    if any(recording.span for recording in found.recordings):
        return "recordings with files of labels that tell where each clip is"
    return "sounds, each with a text of the same name"


def _text_stem(name: str) -> str | None:
    """Return the name of a text without its suffixes; None for another file."""
    lowered = name.casefold()
    suffix = next((s for s in _TEXT_SUFFIXES if lowered.endswith(s)), None)
    return None if suffix is None else name[: -len(suffix)]


def _is_within(path: Path, root: Path, folders: frozenset[str]) -> bool:
    return any(part.casefold() in folders for part in path.relative_to(root).parts[:-1])


def _is_unused(sound: Path, root: Path) -> bool:
    return _is_within(sound, root, LEFT_OUT_FOLDERS)


def _is_aside(text: Path, root: Path) -> bool:
    is_labels = text.name.casefold() == LABELS
    return is_labels or _is_within(text, root, LABEL_FOLDERS | LEFT_OUT_FOLDERS)


def _is_whole_episode(text: Path, root: Path) -> bool:
    return _is_within(text, root, LABEL_FOLDERS)


def _pair(sounds: Iterable[Path], texts: list[Path]) -> dict[Path, Path]:
    """Pair by names that are equal at first, then by ever less; no text is taken twice."""
    pairs: dict[Path, Path] = {}
    left = list(texts)
    for key in (_exact, _loose, _looser, _in_another_folder):
        by_key: dict[object, list[Path]] = {}
        for text in left:
            by_key.setdefault(key(text, _text_stem(text.name) or ""), []).append(text)
        wanting: dict[object, list[Path]] = {}
        for sound in sounds:
            if sound not in pairs:
                wanting.setdefault(key(sound, without_suffix(sound.name)), []).append(sound)
        for value, mates in wanting.items():
            fitting = by_key.get(value, [])
            # The same name with different suffixes: one text is for one sound.
            if fitting and (key is _exact or len(mates) == 1):
                pairs[min(mates, key=_sound_order)] = min(fitting, key=_text_order)
        taken = set(pairs.values())
        left = [text for text in left if text not in taken]
    return pairs


def _sound_order(sound: Path) -> tuple[int, str]:
    return SOUND_SUFFIXES.index(sound.suffix.casefold() or SOUND_SUFFIXES[0]), sound.name


def _text_order(text: Path) -> tuple[int, str]:
    lowered = text.name.casefold()
    order = (".txt", ".normalized.txt", ".lab", ".original.txt", ".srt", ".vtt")
    suffix = next(s for s in _TEXT_SUFFIXES if lowered.endswith(s))
    return order.index(suffix), text.name


def _exact(path: Path, stem: str) -> object:
    return path.parent, stem


def _loose(path: Path, stem: str) -> object:
    """Fold the case, and drop a suffix of sound within the name: a.wav.txt, a.wav.wav."""
    while is_sound_name(stem):
        stem = without_suffix(stem)
    return path.parent, folded(stem)


def _looser(path: Path, stem: str) -> object:
    """Drop dots and spaces at the end as well, as the Master File does, and take `?` for `_`."""
    return path.parent, re.sub(r"[?:*\"<>|]", "_", folded(stem)).rstrip(". ")


def _in_another_folder(path: Path, stem: str) -> object:
    """Take folders of the same name for one but for a part that holds sounds or texts only."""
    kinds = {"wav", "wavs", "txt", "txts", "text", "texts", "audio", "flac", "lab", "labels", "mp3"}
    kinds |= {"wav48", "transcripts", "transcript", "wav48_silence_trimmed"}
    parts = [part for part in path.parent.parts if folded(part) not in kinds]
    return tuple(parts), folded(stem)


def _read_pair(sound: Path, text: Path, left_out: list[LeftOut], root: Path) -> Iterable[Recording]:
    """Read the text of a sound: one recording, or one for each of its labels."""
    content = read_any_text(text)
    spans = read_spans(content)
    if spans:
        yield from cut(sound, spans, text.name, left_out)
        return
    told = parse_name(without_suffix(sound.name))
    typed = content.strip() if told else without_name(content.strip(), without_suffix(sound.name))
    problem = check_text(typed)
    if problem:
        left_out.append(LeftOut(text.name, problem))
        return
    recording = Recording(sound, " ".join(typed.split()))
    yield with_name(recording, told, _is_within(sound, root, frozenset({_SONGS})))


def with_name(recording: Recording, told: ClipName | None, is_song: bool = False) -> Recording:
    """Add to a recording what a name tells; clips of songs count as sung."""
    if told is None:
        return recording
    is_marked = any(tag.casefold() == "singing" for tag in told.tags)
    tags = told.tags if is_marked or not is_song else (*told.tags, "Singing")
    return replace(recording, character=told.character, tags=tags, noise=told.noise)


def cut(
    sound: Path, spans: Iterable[Span], name: str, left_out: list[LeftOut]
) -> Iterable[Recording]:
    """Cut a long recording where its labels are."""
    for number, span in enumerate(spans, start=1):
        told = parse_name(span.text)
        text = told.line if told else span.text
        problem = "it ends before it starts" if not 0 <= span.start < span.end else ""
        problem = problem or check_text(text)
        if problem:
            left_out.append(LeftOut(f"{name}, label {number}", problem))
            continue
        recording = Recording(sound, " ".join(text.split()), span=(span.start, span.end))
        yield with_name(recording, told)


def _name_the_rest(
    found: Found, files: Files, texts: list[Path], aside: list[Path], taken: set[Path]
) -> None:
    """Name the texts and other files that belong to no sound."""
    names = {(text.parent, folded(_text_stem(text.name) or "")) for text in taken}
    of_links = {path.with_suffix("") for path in files.outside}
    for text in texts:
        if text not in taken and text.with_suffix("") not in of_links:
            has_other = (text.parent, folded(_text_stem(text.name) or "")) in names
            found.without_sound += not has_other
            why = "another text of the same sound is taken" if has_other else ""
            found.left_out.append(LeftOut(text.name, why or "has no sound of its name beside it"))
    for text in aside:
        if not _is_whole_episode(text, files.root):
            found.left_out.append(LeftOut(text.name, _OUT_OF_USE))


def _take_whole_episodes(found: Found, files: Files, labels: list[Path]) -> None:
    """Cut clips from whole episodes by their labels where no clips are cut yet."""
    by_stem = {folded(without_suffix(sound.name)): sound for sound in files.sounds}
    is_cut = any(recording.character for recording in found.recordings)
    for path in labels:
        sound = by_stem.get(folded(_text_stem(path.name) or ""))
        if is_cut or sound is None:
            why = "its clips are cut already" if is_cut else "there is no recording of its name"
            found.left_out.append(LeftOut(path.name, f"has labels of a whole episode; {why}"))
            continue
        clips = list(cut(sound, read_spans(read_any_text(path)), path.name, found.left_out))
        found.recordings += clips
        _no_longer_left_out(found, sound)


def _no_longer_left_out(found: Found, sound: Path) -> None:
    before = len(found.left_out)
    found.left_out[:] = [
        entry for entry in found.left_out
        if not (entry.name == sound.name and entry.reason.endswith("beside it"))
    ]  # fmt: skip
    found.without_text -= before - len(found.left_out)


def shares(recordings: Iterable[Recording]) -> tuple[float, float, float]:
    """Return the shares of noisy, very noisy and sung recordings."""
    listed = list(recordings)
    n = max(1, len(listed))

    def share(fits: Callable[[Recording], bool]) -> float:
        return sum(map(fits, listed)) / n

    return (
        share(lambda r: r.noise == NOISY),
        share(lambda r: r.noise == VERY_NOISY),
        share(lambda r: any(tag.casefold() == "singing" for tag in r.tags)),
    )
