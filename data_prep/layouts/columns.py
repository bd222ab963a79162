"""Roles of a table's columns: by its header, or else by what they hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from data_prep.layouts.found import RecordingsError
from ponytaco.text.phones import bare_phones, is_pronounced
from ponytaco.text.styles import match_style

_NAMES = {
    "sound": "id ids file files filename file_name file_path filepath path audio audio_file "
    "audio_path audio_filepath audio_filename wav wavs wav_file wav_filename wav_path wave clip "
    "clip_id clip_name name fname basename utt utt_id utterance_id segment_id recording sound flac "
    "key file_id audio_id sample track",
    "better text": "normalized normalised normalized_text normalised_text text_normalized "
    "text_normalised normalized_transcription normalised_transcription clean_text cleaned_text",
    "text": "text texts transcription transcript transcripts sentence sentences utterance content "
    "line lines dialogue dialog caption subtitle subtitles words prompt script phrase",
    "raw text": "raw_text original_text text_raw raw_transcription raw_transcript raw",
    "character": "speaker speaker_name speaker_id speakerid spk spk_id spkid client_id character "
    "character_name voice voice_name narrator actor who spoken_by",
    "tags": "tags tag emotion emotions style styles mood moods",
    "noise": "noise noise_level",
    "phones": "phones phonemes phoneme arpabet ipa pronunciation phonetic g2p phone_text",
    "language": "language lang locale language_id lang_id language_code",
}
_ROLES = {name: role for role, names in _NAMES.items() for name in names.split()}
_TEXTS = ("better text", "text", "raw text")

_LANGUAGE = re.compile(r"(?i:en|zh|ja|jp|ko|de|fr|es|it|ru|pt|all_zh|auto)([-_][A-Za-z]{2})?")
_NAME = re.compile(r"[A-Z0-9][\w.'-]*( [A-Z0-9(][\w.')-]*){0,2}")
_WORD = re.compile(r"[\w.'-]*[\w'-]")
_NUMBER = re.compile(r"-?\d+([.,]\d+)?")

ALIKE = 0.4
"""Likeness of a raw and a normalised text from which they are taken for such."""

_TRIED = 200


class DoubtError(RecordingsError):
    """Columns whose roles are not plain; the message is a clause."""


@dataclass(frozen=True)
class Roles:
    """Columns by role."""

    sound: int
    texts: tuple[int, ...]
    """Columns with the text, the best first; the first filled one counts."""

    character: int | None = None
    tags: int | None = None
    noise: int | None = None
    phones: int | None = None


def header_roles(cells: Sequence[str]) -> dict[int, str]:
    """Return the roles that the cells of a header name; empty if it is none."""
    roles = {}
    for i, cell in enumerate(cells):
        name = re.sub(r"[\s-]+", "_", cell.strip().strip('"#').casefold())
        if name in _ROLES:
            roles[i] = _ROLES[name]
    is_header = "sound" in roles.values() or set(roles.values()) & set(_TEXTS)
    return roles if is_header and len(roles) >= min(2, len(cells)) else {}


def roles_by_header(
    named: dict[int, str], rows: Sequence[Sequence[str]], is_sound: Callable[[str], bool]
) -> Roles:
    """Obey a header; where it names several columns of sounds, take the one that leads to most.

    Raises:
        DoubtError: if it names no column of sounds or none of texts.
    """
    n_found = {
        i: sum(is_sound(row[i]) for row in rows[:_TRIED] if i < len(row))
        for i, role in named.items()
        if role == "sound"
    }
    if not n_found:
        raise DoubtError("its header names no column of sounds, such as `file`")
    of = {role: [i for i, other in named.items() if other == role] for role in _NAMES}
    texts = tuple(i for role in _TEXTS for i in of[role])
    if not texts:
        raise DoubtError("its header names no column of texts, such as `text`")
    first = {role: found[0] for role, found in of.items() if found}
    return Roles(
        max(n_found, key=n_found.__getitem__), texts,
        first.get("character"), first.get("tags"), first.get("noise"), first.get("phones"),
    )  # fmt: skip


def roles_by_content(
    rows: Sequence[Sequence[str]], is_sound: Callable[[str], bool], is_ljspeech: bool
) -> Roles:
    """Judge columns by what they hold.

    Args:
        rows: of equal length, cells stripped.
        is_sound: whether a cell names a sound that is there.
        is_ljspeech: three columns are name, text and normalised text wherever that may be.

    Raises:
        DoubtError: if more than one reading is plausible.
    """
    rows = rows[:_TRIED]
    columns = [[row[i] for row in rows if row[i]] for i in range(len(rows[0]))]
    found = [sum(map(is_sound, column)) for column in columns]
    sound = max(range(len(columns)), key=lambda i: (found[i], -i))
    kinds = {i: _kind(column) for i, column in enumerate(columns) if i != sound and column}
    of = {kind: [i for i in kinds if kinds[i] == kind] for kind in set(kinds.values())}
    texts, labels = of.get("text", []), of.get("label", [])
    if not texts:
        texts, labels = _text_among(labels + of.get("number", []), columns)
    if len(texts) > 1:
        texts = _raw_and_normalised(texts, columns, is_ljspeech and len(columns) == 3)
    _refuse_one_text_for_all(columns[texts[0]])
    styles = [i for i in labels if all(match_style(cell) for cell in columns[i])]
    labels = [i for i in labels if i not in styles]
    if not labels:  # lengths and the like differ from row to row
        labels = [
            i for i in of.get("number", []) if i not in texts and _numbers_speakers(columns[i])
        ]
    several = [i for i in labels if len(set(columns[i])) > 1]
    if len(several) > 1:
        raise DoubtError(f"columns {_listed(several)} could each tell who speaks")
    character = next(iter(several or labels), None)
    phones = of.get("phones", [None])[0]
    tags = next(iter(styles), None)
    return Roles(sound, tuple(texts), character, tags, phones=phones)


def _kind(column: Sequence[str]) -> str:
    """Judge a column: "phones", "language", "number", "label" (a name or the like) or "text"."""
    if all(is_phonetic(cell) for cell in column):
        return "phones"
    if all(_NUMBER.fullmatch(cell) for cell in column):
        return "number"
    if all(_LANGUAGE.fullmatch(cell) for cell in column) and len(set(column)) <= 2:
        return "language"
    if all(_WORD.fullmatch(cell) or _NAME.fullmatch(cell) for cell in column):
        return "label"
    is_spoken = any(cell[-1] in ".,!?…" or len(cell.split()) > 3 for cell in column)
    return "label" if _repeats(column) and not is_spoken else "text"


def _numbers_speakers(column: Sequence[str]) -> bool:
    """Whether whole numbers come again, as those of speakers do."""
    distinct = set(column)
    are_few = all(cell.isdigit() and len(cell) <= 4 for cell in distinct)
    return are_few and len(column) > 1 and len(distinct) < len(column)


def _repeats(column: Sequence[str]) -> bool:
    return len(column) > 1 and len(set(column)) <= max(1, len(column) // 3)


def is_phonetic(cell: str) -> bool:
    """Whether a text has pronunciations: ARPAbet in braces, bare ARPAbet, or IPA."""
    if is_pronounced(cell) or bare_phones(re.sub(r"[^\w\s]", " ", cell)):
        return True
    return len(re.findall(r"[ɑɐɒæɓʙβɔɕɖðəɘɚɛɜɝɞɡɪɨɫɹɾʃʊʌʒʔθˈˌː]", cell)) >= 2


def _text_among(labels: list[int], columns: list[list[str]]) -> tuple[list[int], list[int]]:
    """Choose the column of texts where all look like names: the one that repeats itself least."""
    if not labels:
        raise DoubtError("it has names of sounds, but no texts")
    varied = [i for i in labels if not _repeats(columns[i])]
    if len(labels) == 1:
        return labels, []
    if len(varied) == 2 and _are_alike(columns[varied[0]], columns[varied[1]]):
        return varied, [i for i in labels if i not in varied]
    if len(varied) != 1:
        raise DoubtError(f"columns {_listed(labels)} could each be the text")
    return varied, [i for i in labels if i not in varied]


def _raw_and_normalised(texts: list[int], columns: list[list[str]], is_plain: bool) -> list[int]:
    if len(texts) == 2 and (is_plain or _are_alike(columns[texts[0]], columns[texts[1]])):
        return texts[::-1]
    raise DoubtError(f"columns {_listed(texts)} could each be the text")


def _are_alike(one: Sequence[str], other: Sequence[str]) -> bool:
    pairs = list(zip(one, other, strict=False))[:20]
    likeness = [SequenceMatcher(None, a.lower(), b.lower()).ratio() for a, b in pairs]
    return sum(likeness) >= ALIKE * len(likeness)


def _refuse_one_text_for_all(column: Sequence[str]) -> None:
    if len(column) > 2 and len(set(column)) == 1:
        raise DoubtError(f"all {len(column)} rows have the same text")


def _listed(columns: Sequence[int]) -> str:
    return " and ".join(str(i + 1) for i in columns)
