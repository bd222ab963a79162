"""Review of an archive's texts in a table: heard, corrected, or left out."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data_prep.alignment.pool import AlignmentPool, Outcome, Sound, why_not
from data_prep.archive_writer import ArchiveWriter
from data_prep.audio import decode
from data_prep.folders import explain_os_error, write_text
from data_prep.labels import LabelError, parse_label, times_as_json
from data_prep.sound_files import AudioError
from data_prep.soundtools import LABEL_NAME, ArchiveIndex, RawClip, index_archive, read_clips
from ponytaco.errors import PonytacoError
from ponytaco.io.locks import sole_writer
from ponytaco.io.text_files import read_text

COLUMNS = ("clip", "start", "end", "text", "score", "keep")

NO = frozenset({"no", "n", "0", "false"})
"""What under `keep` leaves a clip out; anything else keeps it."""

_MOST_BYTES = 64 * 2**20


class ReviewError(PonytacoError):
    """A review that cannot be read or written; the message tells what, where and what to do."""


@dataclass(frozen=True)
class Row:
    """A clip in the table."""

    clip: str
    start: str
    """Seconds of the recording that it was cut from; empty if it was not."""

    end: str
    text: str
    score: str
    """Of its alignment; empty if there is none."""

    keep: str = "yes"

    @property
    def is_kept(self) -> bool:
        """Whether the clip stays."""
        return self.keep.strip().lower() not in NO


@dataclass(frozen=True)
class Reviewed:
    """Outcome of a review."""

    table: Path
    clips: int
    corrected: int = 0
    left_out: int = 0


def table_path(archive: Path) -> Path:
    """Return where the table of an archive is."""
    return archive.with_name(f"{archive.stem}.review.csv")


def write_review(archive: Path) -> Reviewed:
    """Write the table of an archive's clips, the most doubtful first.

    Raises:
        PonytacoError: the archive cannot be read, or the table not be written.
    """
    rows = [_row(raw) for raw in read_clips(index_archive(archive))]
    rows.sort(key=lambda row: float(row.score) if row.score else -math.inf)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(row, column) for column in COLUMNS] for row in rows)
    path = table_path(archive)
    try:
        write_text(path, table.getvalue())
    except OSError as error:
        raise ReviewError(explain_os_error(error, path)) from error
    return Reviewed(path, len(rows))


def _row(raw: RawClip) -> Row:
    label = _label(raw)
    source = label.get("recording")
    source = source if isinstance(source, dict) else {}
    times = source.get("interval")
    start, end = times if isinstance(times, list) and len(times) == 2 else ("", "")
    score = source.get("score")
    text = label.get("utterance", {}).get("content", "")
    return Row(raw.ref, str(start), str(end), text, "" if score is None else str(score))


def _label(raw: RawClip) -> dict[str, Any]:
    try:
        parse_label(raw.label or b"")
    except LabelError as error:
        raise ReviewError(f"{raw.ref}: its label cannot be read: {error}.") from None
    return json.loads(raw.label or b"")


def read_review(archive: Path) -> Reviewed:
    """Apply an edited table to its archive: corrected texts, and clips that are left out.

    Clips whose texts changed are aligned again, and the table is written anew.

    Raises:
        PonytacoError: table or archive cannot be read, do not belong together, or nothing would
            stay.
    """
    path = table_path(archive)
    rows = _read_table(path)
    index = index_archive(archive)
    before = {row.clip: row for row in map(_row, read_clips(index))}
    unknown = set(rows) - set(before)
    if unknown:
        raise ReviewError(f"{path}: {archive.name} has no clip {min(unknown)}.")
    kept = {ref for ref in before if ref not in rows or rows[ref].is_kept}
    if not kept:
        raise ReviewError(f"{path}: no clip would stay. Keep some.")
    texts = {ref: row.text.strip() for ref, row in rows.items() if ref in kept}
    texts = {ref: text for ref, text in texts.items() if text != before[ref].text.strip()}
    if texts or len(kept) < len(before):
        with _errors(archive), sole_writer(archive, ReviewError):
            _write_archive(index, kept, texts)
    written = write_review(archive)
    return replace(written, corrected=len(texts), left_out=len(before) - len(kept))


def _write_archive(index: ArchiveIndex, kept: Collection[str], texts: Mapping[str, str]) -> None:
    with (
        ArchiveWriter(index.path) as writer,
        AlignmentPool(0 if why_not() else len(texts)) as pool,
    ):
        clips = (_Clip.of(raw, texts.get(raw.ref)) for raw in read_clips(index) if raw.ref in kept)
        for clip, outcome in pool.outcomes(clips, lambda clip: clip.sound):
            writer.add_files(clip.raw.ref, clip.files(outcome))


@contextlib.contextmanager
def _errors(archive: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReviewError(explain_os_error(error, archive)) from error


@dataclass(frozen=True)
class _Clip:
    raw: RawClip
    label: dict[str, Any]
    sound: Sound | None
    """With its new text, if that changed."""

    @classmethod
    def of(cls, raw: RawClip, text: str | None) -> _Clip:
        if text is None:
            return cls(raw, _label(raw), None)
        try:
            decoded = decode(raw.audio or b"")
        except AudioError as error:
            raise ReviewError(f"{raw.ref}: {error}.") from None
        return cls(raw, _label(raw), Sound(text, decoded.waveform, decoded.sample_rate))

    def files(self, outcome: Outcome) -> dict[str, bytes]:
        if self.sound is not None:
            found = outcome.alignment
            self.label["utterance"]["content"] = self.sound.text
            self.label["words"] = times_as_json(found.words if found else ())
            self.label["phones"] = times_as_json(found.phones if found else ())
            self.label["recording"] = {**self.label.get("recording", {}), "score": outcome.score}
        audio = self.raw.audio or b""
        name = "audio.flac" if audio[:4] == b"fLaC" else "audio.wav"
        content = json.dumps(self.label, ensure_ascii=False).encode("utf-8", "replace")
        return {name: audio, LABEL_NAME: content}


def _read_table(path: Path) -> dict[str, Row]:
    text = read_text(path, ReviewError, _MOST_BYTES, fallback="cp1252")
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)  # spreadsheets write what their language is used to
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    missing = {"clip", "text", "keep"} - set(reader.fieldnames or ())
    if missing:
        raise ReviewError(f"{path}: has no column '{min(missing)}'. Delete it to begin again.")
    try:
        return {
            row["clip"]: Row(*((row.get(column) or "") for column in COLUMNS)) for row in reader
        }
    except csv.Error as error:
        raise ReviewError(f"{path}: cannot be read ({error}).") from None
