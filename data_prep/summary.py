"""What became of a preparation, in a few lines."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.options import ClipOptions
from ponytaco.formatting import counted
from ponytaco.io.names import as_argument
from ponytaco.printable import printable

if TYPE_CHECKING:
    from data_prep.dataset_writer import Prepared

FEW_MINUTES = 2
"""Minutes of clips below which a summary warns."""


def summary(prepared: Prepared) -> str:
    """Summarise in a few lines what a preparation kept, what it left out, and where it is."""
    report, lines = prepared.report, []
    if not prepared.fresh:
        lines.append("Nothing to do: already prepared from the same archive with the same options.")
    if prepared.replaced:
        lines.append(f"Replaced the dataset prepared from {prepared.replaced}.")
    lines.append(
        f"Kept {report['kept']} of {counted(report['clips'], 'clip')}, "
        f"{report['minutes']:.1f} minutes: "
        f"{report['train']} for training, {report['val']} for validation."
    )
    if report["minutes"] < FEW_MINUTES:
        lines.append(_why_little(report))
    for reason, count in report["rejected"].items():
        example = report["rejected_examples"][reason][0]
        lines.append(f"Left out {count}: {reason}. For example {example}")
    lines.append(_phones(report))
    if report.get("suspicious_examples"):
        lines.append(to_listen_to(report["suspicious"], "suspicious.csv"))
        lines.append(f"For example {report['suspicious_examples'][0]}")
    if report["replaced_characters"]:
        replaced = counted(report["replaced_characters"], "character")
        lines.append(f"Replaced {replaced} that a text cannot contain.")
    if report.get("dropped_fields"):
        fields = counted(report["dropped_fields"], "malformed field")
        example = report["dropped_fields_examples"][0]
        lines.append(f"Dropped {fields} of labels, whose clips stay. For example {example}")
    if report.get("replaced_members"):
        again = counted(report["replaced_members"], "file")
        lines.append(f"{again} of the archive come again later in it; the last one counts.")
    if report["other_members"]:
        ignored = counted(report["other_members"], "file")
        lines.append(f"Ignored {ignored} in the archive without a clip.")
    lines.append(
        f"The dataset is in {prepared.folder}; report.json there has the details, "
        "report.csv all that was left out."
    )
    words = [as_argument(prepared.folder), f"runs/{prepared.folder.name}"]
    lines.append(f"Next: ponytaco train {shlex.join(words)}")
    return "\n".join(map(printable, lines))


def _phones(report: dict) -> str:
    """Tell for how many clips there are phone alignments and ARPAbet texts; zeros are left out."""
    alignments = report["alignments"]
    if alignments["kept"]:
        sentence = f"Phone alignments for {counted(alignments['kept'], 'clip')}"
        if alignments.get("found_here"):
            sentence += f", {alignments['found_here']} of them found here"
    else:
        sentence = "No phone alignments, so learning takes longer"
        if report.get("aligner"):
            sentence += "; they can be found for English alone"
        elif report["options"].get("align", True):
            sentence += '; pip install "ponytaco[align]" finds those of English clips'
    if alignments["dropped"]:
        sentence += f"; those of {alignments['dropped']} did not fit the audio"
    if alignments["kept"] and alignments["without_phones"]:
        sentence += f"; {alignments['without_phones']} without"
    if report["with_arpabet"]:
        sentence += f". ARPAbet texts for {counted(report['with_arpabet'], 'clip')}"
    return f"{sentence}."


def to_listen_to(count: int, table: str | Path) -> str:
    """Return the sentence about clips whose text may not be what is said, and their table."""
    clips, its = ("1 clip", "its text") if count == 1 else (f"{count:,} clips", "their texts")
    return f"Listen to {clips}: {its} may not be what is said. {table} lists them."


def _why_little(report: dict) -> str:
    """Warn that there is little audio, with advice on the clips that were left out."""
    from data_prep.clip_filter import Reason, advice

    little = f"That is little: a voice needs at least {FEW_MINUTES} minutes."
    rejected = report["rejected"]
    if sum(rejected.values()) < report["kept"]:
        return f"{little} Add clips, or start from another voice (--warm-start)."
    most = Reason(max(rejected, key=rejected.__getitem__))
    helpful = advice(most, ClipOptions(**report["options"]))
    return f"{little} The main reason for leaving clips out: {most}. {helpful}"
