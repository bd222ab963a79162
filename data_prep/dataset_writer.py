"""Preparation of a dataset folder: wavs, train.txt, val.txt, alignments, lexicon and report."""

import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from data_prep import folders
from data_prep.alignment.clips import Aligned, align_clips
from data_prep.alignment.pool import why_not
from data_prep.audio import SAMPLE_RATE, wav_bytes
from data_prep.clip_filter import Clip, Reason, Rejection, Seen, advice, examine
from data_prep.folders import PrepareError
from data_prep.labels import Interval
from data_prep.options import ClipOptions
from data_prep.pronunciation import can_pronounce
from data_prep.soundtools import ArchiveIndex, archive_sha256, index_archive, read_clips
from ponytaco.io.locks import sole_writer
from ponytaco.io.names import safe_name
from ponytaco.printable import printable

RECIPE = 4
"""Version of the preparation. Increase it when the same archive and options give another dataset,
so that older datasets are prepared again."""

VAL_SHARE, MOST_VAL_CLIPS = 0.05, 50

EXAMPLES_PER_REASON = 10

MOST_HOURS = 100.0
"""In one dataset, 16 GB: small compressed clips could otherwise fill any disk."""

MOST_CHARACTERS = 100_000_000
"""Of all texts of one dataset; 100 hours of speech have 30 million, the phones included."""

MOST_PRONUNCIATIONS = 500_000
"""Of all words of one dataset; a dictionary of English has 135,000."""

MOST_TAGS = 1000
"""Different ones that the report counts; soundtools has about thirty."""

LONGEST_ALIGNMENT = 2**20
"""Characters of a clip's line in alignments.jsonl; 15 seconds take about 10,000."""


@dataclass(frozen=True)
class Prepared:
    """Outcome of a preparation."""

    folder: Path
    report: dict
    """Content of report.json."""

    fresh: bool
    """False if the folder already existed, from the same archive and options."""

    replaced: str = ""
    """Name of the other archive from which the replaced folder was prepared, if any."""


@dataclass(frozen=True)
class _Line:
    """Kept clip as a line of a filelist."""

    name: str
    text: str
    arpabet: str | None

    def __str__(self) -> str:
        columns = [f"wavs/{self.name}.wav", self.text, self.arpabet]
        return "|".join(column for column in columns if column)


@dataclass
class _Tally:
    """Running counts over the clips of an archive."""

    lines: list[_Line] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    seconds: float = 0.0
    characters: int = 0
    n_pronunciations: int = 0
    aligned: int = 0
    alignments_dropped: int = 0
    without_phones: int = 0
    replaced_characters: int = 0
    tags: Counter[str] = field(default_factory=Counter)
    pronunciations: dict[str, Counter[tuple[str, ...]]] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    """Malformed fields of labels, a sentence for each."""

    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Names of the clips that were left out, and why."""

    aligned_here: int = 0
    suspicious: list[tuple[str, str]] = field(default_factory=list)
    """Names of the clips whose texts may not be what is said, and why."""

    rejected: Counter[Reason] = field(default_factory=Counter)
    examples: dict[Reason, list[str]] = field(default_factory=dict)


def prepare(
    archive: Path,
    out: Path,
    options: ClipOptions | None = None,
    seed: int = 0,
    progress: bool = True,
    left_out: Sequence[tuple[str, str]] = (),
) -> Prepared:
    """Turn a character's archive into a dataset folder.

    An unusable clip is left out, counted and explained in report.json; it never stops the run.
    report.csv lists all of them.
    A folder prepared from the same archive with the same options is kept as it is; one prepared
    from others is replaced.

    Args:
        archive: a soundtools tar.
        out: the folder to write. Anything but an earlier dataset folder is left alone.
        options: what to keep; ClipOptions() if None.
        seed: of the random choice of validation clips.
        progress: show a progress bar on stderr.
        left_out: names and reasons of what was left out before, for report.csv.

    Returns:
        The folder, its report, and whether it was written now.

    Raises:
        ArchiveError: if the archive is missing or unreadable.
        PrepareError: if the folder is not ours to replace, fewer than two clips are usable, or
            the disk is full. No partial folder is left behind.
    """
    options = options or ClipOptions()
    out = Path(os.path.abspath(out))
    folders.check_place(out)
    index = index_archive(archive)
    source = {
        "made_by": folders.MADE_BY,
        "recipe": RECIPE,
        "archive": archive.name,
        "sha256": archive_sha256(archive),
        # Through JSON, so that it compares equal to a report on disk.
        "options": json.loads(json.dumps(_stated(options))),
        "seed": seed,
    }
    finished = folders.finished_report(out)
    if finished is not None and _is_current(finished, source):
        return Prepared(out, finished, fresh=False)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with sole_writer(out, PrepareError):
            report = source | _write_dataset(index, options, out, seed, progress, left_out, source)
    except OSError as error:
        raise PrepareError(folders.explain_os_error(error, out)) from error
    before = finished["archive"] if finished is not None else archive.name
    return Prepared(out, report, fresh=True, replaced="" if before == archive.name else before)


def _write_dataset(
    index: ArchiveIndex,
    options: ClipOptions,
    out: Path,
    seed: int,
    progress: bool,
    left_out: Sequence[tuple[str, str]],
    source: dict,
) -> dict:
    """Write a dataset folder beside its place, put it there, and return its statistics."""
    partial = out.with_name(f".{out.name}.partial")
    folders.start_partial(partial)
    try:
        tally = _write_clips(index, options, partial, progress)
        statistics = _write_lists(partial, tally, index, options, seed)
        folders.write_left_out(partial / "report.csv", [*left_out, *tally.left_out])
        if tally.suspicious:
            folders.write_left_out(
                partial / "suspicious.csv", tally.suspicious, ("listen to", "because")
            )
        report = json.dumps(source | statistics, indent=1) + "\n"
        folders.write_text(partial / "report.json", report)
        folders.finish(partial, out)
    finally:
        folders.discard(partial)
    return statistics


def _is_current(finished: dict, source: dict) -> bool:
    """Tell whether preparing again would change nothing, by the report of the folder."""
    alignments = finished["alignments"]
    if any(finished.get(key) != source[key] for key in source):
        return False
    if alignments["without_phones"] and not finished.get("dictionary") and can_pronounce():
        return False
    is_alignable = source["options"].get("align", True) and not why_not()
    lacks_times = alignments["without_phones"] or alignments["dropped"]
    return not (lacks_times and is_alignable and not finished.get("aligner"))


def _stated(options: ClipOptions) -> dict:
    """Return the options as a report states them: what is usual is not, as in older ones."""
    stated = asdict(options)
    if options.sample_rate == SAMPLE_RATE:
        del stated["sample_rate"]
    if options.align:
        del stated["align"]
    return stated


def _write_clips(index: ArchiveIndex, options: ClipOptions, folder: Path, progress: bool) -> _Tally:
    seen, tally = Seen(), _Tally()
    clips = tqdm(
        read_clips(index),
        desc=printable(index.path.name),
        total=len(index.clips),
        unit="clip",
        disable=not progress,
    )
    path = folder / "alignments.jsonl"
    with clips, open(path, "w", encoding="utf-8", newline="\n") as alignments:
        results = (examine(raw, options, seen) for raw in clips)
        for aligned in align_clips(results, len(index.clips), options):
            if isinstance(aligned.result, Rejection):
                _note_rejection(aligned.result, tally)
            else:
                _note_alignment(aligned, tally)
                _write_clip(aligned.result, tally, folder, alignments)
            if too_much := _too_much(tally):
                raise PrepareError(f"{index.path}: more than {too_much}. Split the archive.")
    if len(tally.lines) < 2:
        raise PrepareError(
            f"{index.path}: only {len(tally.lines)} of {len(index.clips)} clips can be used, and a "
            f"dataset needs at least two. {_why_so_few(tally, options)}"
        )
    return tally


def _too_much(tally: _Tally) -> str:
    if tally.seconds > MOST_HOURS * 3600:
        return f"{MOST_HOURS:g} hours of audio"
    if tally.characters > MOST_CHARACTERS:
        return f"{MOST_CHARACTERS:,} characters of texts and phones"
    if tally.n_pronunciations > MOST_PRONUNCIATIONS:
        return f"{MOST_PRONUNCIATIONS:,} pronunciations of words"
    return ""


def _why_so_few(tally: _Tally, options: ClipOptions) -> str:
    if not tally.rejected:
        return "Add more clips."
    counted = ", ".join(f"{count} {reason}" for reason, count in tally.rejected.most_common())
    reason = tally.rejected.most_common(1)[0][0]
    return f"Left out: {counted}; for example {tally.examples[reason][0]} {advice(reason, options)}"


def _note_rejection(rejection: Rejection, tally: _Tally) -> None:
    tally.rejected[rejection.reason] += 1
    tally.left_out.append((rejection.ref, rejection.sentence.rstrip(".")))
    examples = tally.examples.setdefault(rejection.reason, [])
    if len(examples) < EXAMPLES_PER_REASON:
        examples.append(printable(f"{rejection.ref}: {rejection.sentence}"))


def _note_alignment(aligned: Aligned, tally: _Tally) -> None:
    tally.aligned_here += aligned.is_new
    if aligned.suspicion:
        tally.suspicious.append((aligned.result.ref, aligned.suspicion.rstrip(".")))


def _write_clip(clip: Clip, tally: _Tally, folder: Path, alignments: TextIO) -> None:
    name = safe_name(clip.ref, tally.names, otherwise="clip")
    # Encoded in memory first: a full disk then raises here and not inside a library.
    (folder / "wavs" / f"{name}.wav").write_bytes(wav_bytes(clip.waveform, clip.sample_rate))
    line = json.dumps({"ref": name, "tokens": _rounded(clip.tokens), "words": _rounded(clip.words)})
    if clip.tokens and len(line) <= LONGEST_ALIGNMENT:
        alignments.write(f"{line}\n")
        tally.aligned += 1
    elif clip.transcript.tokens:
        tally.alignments_dropped += 1
    else:
        tally.without_phones += 1
    tally.lines.append(_Line(name, clip.transcript.text, clip.transcript.arpabet))
    tally.characters += len(str(tally.lines[-1]))
    tally.seconds += clip.seconds
    tally.replaced_characters += clip.transcript.replaced
    tally.dropped += [f"{clip.ref}: {why}." for why in clip.dropped]
    for tag in clip.tags:
        is_known = tag in tally.tags or len(tally.tags) < MOST_TAGS
        tally.tags[tag if is_known else "others"] += 1
    for word, phones in clip.transcript.pronunciations:
        counts = tally.pronunciations.setdefault(word, Counter())
        tally.n_pronunciations += phones not in counts
        counts[phones] += 1


def _rounded(intervals: Iterable[Interval]) -> list[tuple[str, float, float]]:
    return [(i.content, round(i.start, 4), round(i.end, 4)) for i in intervals]


def split(texts: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
    """Draw the validation clips at random: about 5 %, at least one, at most 50.

    Clips of the same text stay on one side, because validation would otherwise reward memorised
    texts; they are divided only if even the rarest text has too many clips.

    Args:
        texts: text of each clip, at least two.
        seed: the same seed and texts give the same split.

    Returns:
        Indices of the training clips and of the validation clips, both in order.
    """
    wanted = min(MOST_VAL_CLIPS, max(1, round(VAL_SHARE * len(texts))))
    groups: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        groups.setdefault(" ".join(re.findall(r"\w+", text.lower())), []).append(i)
    shuffled = list(groups.values())
    random.Random(seed).shuffle(shuffled)
    chosen: set[int] = set()
    for group in shuffled:
        if len(chosen) + len(group) <= wanted:
            chosen.update(group)
    if not chosen:
        smallest = min(shuffled, key=len)
        whole = len(smallest) <= min(MOST_VAL_CLIPS, len(texts) // 2)
        chosen.update(smallest if whole else smallest[:wanted])
    everything = range(len(texts))
    return [i for i in everything if i not in chosen], [i for i in everything if i in chosen]


def _write_lists(
    folder: Path, tally: _Tally, index: ArchiveIndex, options: ClipOptions, seed: int
) -> dict:
    """Write both filelists and the lexicon, and return the statistics for the report."""
    train, val = split([line.text for line in tally.lines], seed)
    for name, chosen in (("train.txt", train), ("val.txt", val)):
        text = "".join(f"{tally.lines[i]}\n" for i in chosen)
        folders.write_text(folder / name, text)
    folders.write_text(folder / "lexicon.txt", lexicon(tally.pronunciations))
    return {
        "clips": len(index.clips),
        "kept": len(tally.lines),
        "train": len(train),
        "val": len(val),
        "minutes": round(tally.seconds / 60, 2),
        "rejected": {reason: tally.rejected[reason] for reason in Reason if tally.rejected[reason]},
        "rejected_examples": tally.examples,
        "alignments": {
            "kept": tally.aligned,
            "dropped": tally.alignments_dropped,
            "without_phones": tally.without_phones,
            "found_here": tally.aligned_here,
        },
        "aligner": options.align and not why_not(),
        "suspicious": len(tally.suspicious),
        "suspicious_examples": [
            printable(f"{ref}: {why}.") for ref, why in tally.suspicious[:EXAMPLES_PER_REASON]
        ],
        "dictionary": bool(tally.without_phones) and can_pronounce(),
        "with_arpabet": sum(line.arpabet is not None for line in tally.lines),
        "replaced_characters": tally.replaced_characters,
        "tags": dict(tally.tags.most_common()),
        "other_members": index.other_members,
        "replaced_members": index.replaced_members,
        "dropped_fields": len(tally.dropped),
        "dropped_fields_examples": [printable(why) for why in tally.dropped[:EXAMPLES_PER_REASON]],
    }


def lexicon(pronunciations: dict[str, Counter[tuple[str, ...]]]) -> str:
    """Format a lexicon: words in alphabetical order, each with its most frequent pronunciation.

    Args:
        pronunciations: word -> its phones -> how often.

    Returns:
        Lines of the form `WORD  HH AH0 L OW1`.
    """
    lines = []
    for word, counts in sorted(pronunciations.items()):
        # Ties are broken alphabetically, so that the order of the clips does not matter.
        phones = min(counts, key=lambda phones: (-counts[phones], phones))
        lines.append(f"{word}  {' '.join(phones)}\n")
    return "".join(lines)
