"""Measure the cleaner by the cases of NeMo's text normaliser, class by class, and by its speed.

A case is a line ``written~spoken`` in a file of its class. Readings are compared by meaning: marks,
hyphens, capitals, "and" and the spaces between letters and words do not count, nor which of two
good readings is chosen (``_ALIKE``).
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.report import Report
from ponytaco.text.cleaners import english

# What a voice meets in prose; the other classes test the preservation of marks.
CLASSES = (
    "address", "cardinal", "date", "decimal", "electronic", "fraction", "math", "measure", "money",
    "ordinal", "range", "roman", "serial", "telephone", "time", "whitelist", "word",
)  # fmt: skip

# Readings of one meaning: pattern -> what both are compared as.
_ALIKE = {
    r"\b(?:and|the)\b": " ",
    r"\b(?:oh|o)\b(?! clock)": "zero",
    r"\bmisses\b": "misess",  # as the published voices learnt it
    r"\b(?:a|one) half\b": "half",
}
_IDLE = re.compile(r"[^a-z0-9]+")


def meaning(reading: str) -> str:
    """Reduce a reading to what is compared: letters and digits, readings of one meaning alike."""
    reading = reading.lower().replace("o'clock", "o clock")
    for pattern, alike in _ALIKE.items():
        reading = re.sub(pattern, alike, reading)
    return _IDLE.sub("", reading)


def means(spoken: str, heard: str) -> bool:
    """Return whether a reading is as expected; "2 - 5" of scores may be said "two to five"."""
    return meaning(heard) in (meaning(spoken), meaning(spoken.replace(" - ", " to ")))


def read_cases(path: Path) -> Iterator[tuple[str, str]]:
    """Iterate over the cases (written, spoken) of a class's file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        written, tilde, spoken = line.rpartition("~")
        if tilde and meaning(spoken):
            yield written, spoken


def wrong_cases(path: Path, read: Callable[[str], str]) -> tuple[int, list[tuple[str, str, str]]]:
    """Return a class's number of cases, and (written, expected, heard) of those read wrongly."""
    cases = list(read_cases(path))
    heard = [(written, spoken, read(written)) for written, spoken in cases]
    return len(cases), [case for case in heard if not means(case[1], case[2])]


def main() -> None:
    """Print the table of classes, and the cases that are read otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="NeMo's cases, CLASS.txt each")
    parser.add_argument("--wrong", action="store_true", help="list the cases read otherwise")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    report = Report("benchmarks.normalisation", "Text normalisation")
    rows: list[tuple[object, ...]] = []
    lines = []
    for name in CLASSES:
        n_cases, wrong = wrong_cases(options.folder / f"{name}.txt", english)
        rows.append((name, n_cases, n_cases - len(wrong), f"{1 - len(wrong) / n_cases:.0%}"))
        lines += [f"{name}: {w!r}\n   expected {e!r}\n   heard    {h!r}" for w, e, h in wrong]
    total, right = sum(row[1] for row in rows), sum(row[2] for row in rows)
    rows.append(("all", total, right, f"{right / total:.0%}"))
    report.table(["class", "cases", "right", "share"], rows)
    if options.wrong:
        print("\n".join(lines))
    text = "On May 5th, 1989, Mr. Cake sold 1,200 cakes for $3.50 each to 12 ponies. " * 1000
    start = time.process_time()
    english(text)
    report.log(f"1,000 sentences take {time.process_time() - start:.2f} s.")
    if options.save:
        report.save()


if __name__ == "__main__":
    main()
