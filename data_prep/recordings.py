"""Packing of a user's own recordings and their texts into a soundtools archive."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from data_prep.alignment.pool import AlignmentPool, Outcome, why_not
from data_prep.alignment.pool import Sound as TextedSound
from data_prep.archive_writer import ArchiveWriter
from data_prep.audio import SAMPLE_RATE, Sound, decode, decode_span
from data_prep.clip_filter import MOST_CLIPPED
from data_prep.dataset_writer import Prepared, prepare
from data_prep.folders import check_place, explain_os_error, write_left_out
from data_prep.labels import make_label
from data_prep.layouts.found import Found, LeftOut, Recording, RecordingsError, choose_character
from data_prep.layouts.recognise import find_recordings, nothing_found
from data_prep.options import ClipOptions, check_sample_rate
from data_prep.sound_files import LARGEST_SOUND_BYTES, AudioError
from data_prep.soundtools import LABEL_NAME
from data_prep.transcription.transcriber import Transcriber, transcribe_recordings
from ponytaco.formatting import counted
from ponytaco.io.locks import sole_writer
from ponytaco.io.names import safe_name
from ponytaco.io.strangers import open_regular
from ponytaco.printable import printable

LONGEST_CHARACTER = 60
_MOST_NAME_BYTES = 240  # 255 with what is added to it

DULL_HZ = 16_000
"""Sample rate below which a sound lacks the upper half of speech."""

_CHARACTER = re.compile(rf"\w[\w .'()-]{{0,{LONGEST_CHARACTER - 1}}}")


@dataclass
class Packed:
    """Outcome of packing."""

    clips: int
    seconds: float
    found: Found
    """How the folder was understood."""

    left_out: tuple[str, ...] = ()
    """One printable sentence for each recording, text or row that was not packed."""

    notes: tuple[str, ...] = ()
    """Sentences about what was packed."""

    report: Path | None = None
    """Table of everything that was left out, if anything was."""

    suspicious: tuple[tuple[str, str], ...] = ()
    """Names of clips whose texts may not be what is said, and why."""


@dataclass
class _Written:
    clips: int = 0
    seconds: float = 0.0
    dull: int = 0
    aligned: int = 0
    suspicious: list[tuple[str, str]] = field(default_factory=list)
    refs: set[str] = field(default_factory=set)


def pack(
    folder: Path,
    out: Path,
    character: str,
    overwrite: bool = False,
    sample_rate: int = SAMPLE_RATE,
    progress: bool = False,
    found: Found | None = None,
    align: bool = True,
    transcriber: Transcriber | None = None,
) -> Packed:
    """Pack recordings into a soundtools archive that `prepare` reads.

    Sounds lie each beside a text of the same name, or in a folder with a table of names and texts,
    or in the Master File's "Sliced Dialogue", or as an unpacked archive; see `understand`. The
    audio is mixed down to mono and resampled, but not trimmed. A table of everything that was left
    out lies beside the archive.

    Args:
        folder: with the recordings.
        out: the tar to write.
        character: the speaker's name; of a folder with several, theirs is taken whose name it is.
        overwrite: replace out if it exists.
        sample_rate: Hz of the archive's audio.
        progress: show a progress bar on stderr.
        found: from `understand`, if it was called before.
        align: find when each phone is spoken in English recordings, where that can be done.
        transcriber: cuts long recordings without text at their pauses and writes them down; folder
            may then be a single recording.

    Returns:
        What was packed, and what was left out and why.

    Raises:
        RecordingsError: if there is nothing to pack, the layout or the speaker is in doubt, the
            character's name is invalid, or out exists or cannot be written. No partial archive is
            left behind.
    """
    check_character(character)
    check_sample_rate(sample_rate)
    check_out(out, overwrite)
    if transcriber is not None:
        found = transcribe_recordings(folder, transcriber, progress)
    elif found is None:
        found = understand(folder, character)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with sole_writer(out, RecordingsError):
            check_out(out, overwrite)
            written = _write(found, folder, out, character, sample_rate, progress, align)
            report = _write_report(out, found)
            _write_table(suspicious_path(out), written.suspicious, ("listen to", "because"))
    except OSError as error:
        raise RecordingsError(explain_os_error(error, out)) from error
    return Packed(
        written.clips, written.seconds, found,
        left_out=tuple(printable(entry) for entry in found.left_out),
        notes=tuple(_notes(written, found)), report=report, suspicious=tuple(written.suspicious),
    )  # fmt: skip


def understand(folder: Path, character: str = "") -> Found:
    """Recognise the layout of a folder of recordings, and choose the character's.

    Args:
        folder: with the recordings.
        character: whose recordings are meant, where there are those of several.

    Raises:
        RecordingsError: if there is nothing to pack, or the layout or the speaker is in doubt.
    """
    if not folder.is_dir():
        raise RecordingsError(_no_folder(folder))
    found = find_recordings(folder)
    if not found.recordings:
        raise RecordingsError(nothing_found(folder, found))
    choose_character(found, character, folder)
    return found


def _no_folder(folder: Path) -> str:
    if not folder.exists():
        return f"{folder}: there is no such folder. Check the name."
    if folder.suffix.lower() == ".tar":
        return f"{folder}: is an archive already. Prepare it: ponytaco prepare {folder} data/NAME"
    return f"{folder}: is a file. Give the folder that it is in."


def check_character(name: str) -> None:
    """Refuse a name that is not valid as a file or folder name on every system.

    Raises:
        RecordingsError: with the characters that a name may have.
    """
    is_safe = name == safe_name(name, any_letters=True, most_bytes=_MOST_NAME_BYTES)
    if not is_safe or not _CHARACTER.fullmatch(name):
        raise RecordingsError(
            f"'{name[:LONGEST_CHARACTER]}' cannot name a character. Use letters, digits, spaces "
            f"and . ' ( ) - with a letter or digit first, at most {LONGEST_CHARACTER} characters, "
            "and none of the names that Windows keeps for devices, such as CON."
        )


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse to write an archive over an existing file, unless asked to.

    Raises:
        RecordingsError: if out exists and overwrite is false.
    """
    if os.path.lexists(out) and not overwrite:
        raise RecordingsError(f"{out}: already exists. Choose another name, or add --overwrite.")


def _write(
    found: Found,
    folder: Path,
    out: Path,
    character: str,
    sample_rate: int,
    progress: bool,
    align: bool,
) -> _Written:
    """Write the archive."""
    written = _Written()
    n_clips = len(found.recordings) if align and not why_not() else 0
    bar = tqdm(found.recordings, desc=printable(folder.name), unit="clip", disable=not progress)
    with bar, ArchiveWriter(out) as archive, AlignmentPool(n_clips) as pool:
        sounds = _sounds(bar, found, archive, written, sample_rate)
        for (recording, sound), outcome in pool.outcomes(sounds, _to_align):
            _write_clip(recording, sound, outcome, archive, written, character)
        if not written.clips:
            raise RecordingsError(nothing_found(folder, found))
    return written


def _sounds(
    recordings: Iterable[Recording],
    found: Found,
    archive: ArchiveWriter,
    written: _Written,
    rate: int,
) -> Iterator[tuple[Recording, Sound]]:
    """Decode recordings, but append the clips of an unpacked archive as they are.

    Those that cannot be used are noted as left out.

    Raises:
        OSError: if the archive cannot be written.
    """
    for recording in recordings:
        try:
            if recording.label is not None:
                _copy_clip(recording, recording.label, archive, written)
            else:
                yield recording, _sound_of(recording, rate)
        except AudioError as error:
            found.left_out.append(LeftOut(recording.sound.name, str(error)))
        except OSError as error:
            # Of the archive, not of the recording.
            if str(error.filename) not in (str(recording.sound), str(recording.label)):
                raise
            found.left_out.append(
                LeftOut(recording.sound.name, f"cannot be read ({error.strerror})")
            )


def _to_align(item: tuple[Recording, Sound]) -> TextedSound:
    recording, sound = item
    return TextedSound(recording.text, sound.waveform, sound.sample_rate)


def _write_clip(
    recording: Recording,
    sound: Sound,
    outcome: Outcome,
    archive: ArchiveWriter,
    written: _Written,
    character: str,
) -> None:
    """Append a recording.

    Raises:
        OSError: if the archive cannot be written.
    """
    found = outcome.alignment
    label = make_label(
        recording.text, round(sound.seconds, 3), recording.character or character,
        "recordings", recording.tags, recording.noise,
        words=found.words if found else (), phones=found.phones if found else (),
    )  # fmt: skip
    if recording.span is not None:  # for `review`
        label["recording"] = {
            "name": recording.sound.name, "interval": recording.span, "score": outcome.score,
        }  # fmt: skip
    ref = _ref(recording.sound.stem, written)
    archive.add(ref, sound.waveform, sound.sample_rate, label)
    written.clips += 1
    written.seconds += sound.seconds
    written.dull += sound.source_rate < DULL_HZ
    written.aligned += found is not None
    if outcome.suspicion:
        written.suspicious.append((ref, outcome.suspicion.rstrip(".")))


def _sound_of(recording: Recording, rate: int) -> Sound:
    if recording.span is not None:
        sound = decode_span(recording.sound, *recording.span, rate)
    else:
        sound = decode(_sound_bytes(recording.sound), rate)
    if sound.clipped_share > MOST_CLIPPED:
        # Checked here, because `prepare` cannot see it: resampling rounds off the peaks.
        raise AudioError(f"{sound.clipped_share:.1%} of its samples are clipped")
    return sound


def _copy_clip(
    recording: Recording, label: Path, archive: ArchiveWriter, written: _Written
) -> None:
    """Append a clip of an unpacked archive as it is, with the times of its phones."""
    data = _sound_bytes(recording.sound)
    written.seconds += decode(data).seconds
    with open_regular(label) as file:
        content = file.read()
    name = f"audio{recording.sound.suffix.lower()}"
    ref = _ref(recording.sound.parent.name, written)
    archive.add_files(ref, {name: data, LABEL_NAME: content})
    written.clips += 1


def _ref(stem: str, written: _Written) -> str:
    return safe_name(stem, written.refs, any_letters=True, otherwise="clip")


def _sound_bytes(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > LARGEST_SOUND_BYTES:
                most = f"{LARGEST_SOUND_BYTES >> 20} MB"
                raise AudioError(f"it has more than {most}, too many for a clip; split it")
            return file.read()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _write_report(out: Path, found: Found) -> Path | None:
    """Write a table of what was left out beside an archive, or delete that of an earlier one."""
    path = out.with_name(f"{out.stem}.report.csv")
    rows = rows_of([*found.left_out, *found.of_others])
    _write_table(path, rows)
    return path if rows else None


def suspicious_path(out: Path) -> Path:
    """Return where `pack` lists the clips whose texts may not be what is said."""
    return out.with_name(f"{out.stem}.suspicious.csv")


def _write_table(path: Path, rows: list[tuple[str, str]], *header: tuple[str, str]) -> None:
    if rows:
        write_left_out(path, rows, *header)
    else:
        path.unlink(missing_ok=True)


def rows_of(left_out: Iterable[LeftOut]) -> list[tuple[str, str]]:
    """Return names and reasons as rows of a table."""
    return [(entry.name, entry.reason) for entry in left_out]


def _notes(written: _Written, found: Found) -> Iterable[str]:
    if written.aligned:
        yield f"Found when each phone is spoken in {counted(written.aligned, 'clip')}."
    if written.dull:
        yield (
            f"{counted(written.dull, 'clip')} of less than {DULL_HZ:,} Hz: the voice will sound as "
            "dull as they do. Record at 22,050 Hz or more if you can."
        )
    if found.of_others:
        yield f"Left {counted(len(found.of_others), 'clip')} of other characters."


def prepare_recordings(
    folder: Path,
    out: Path,
    character: str = "",
    options: ClipOptions | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Prepared:
    """Turn a folder of recordings into a dataset folder, as `pack` and `prepare` would.

    Args:
        folder: with the recordings.
        out: the dataset folder to write.
        character: whose recordings are meant, where there are those of several.
        options: what to keep; ClipOptions() if None.
        seed: of the random choice of validation clips.
        progress: show progress bars on stderr.

    Raises:
        PonytacoError: as `pack` and `prepare`.
    """
    options = options or ClipOptions()
    out = Path(os.path.abspath(out))
    check_place(out)
    found = understand(folder, character)
    name = next((r.character for r in found.recordings if r.character), "") or character
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside the dataset, where there is room: on Colab /tmp may be small.
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as place:
            archive = Path(place) / f"{safe_name(folder.resolve().name, any_letters=True)}.tar"
            _write(found, folder, archive, name, options.sample_rate, progress, align=False)
            left_out = rows_of([*found.left_out, *found.of_others])
            return prepare(archive, out, options, seed, progress, left_out=left_out)
    except OSError as error:
        raise RecordingsError(explain_os_error(error, out)) from error
