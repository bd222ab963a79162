"""The benchmarks' common options, and their report as text and as a file.

A benchmark times alternatives with ``take_turns``, prints ratios, and with ``--save`` writes its
output to ``benchmarks/results/NAME.md``, headed by the machine. Experiments do the same in
``experiments/results``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from ponytaco.timing import machine

_ROOT = Path(__file__).parents[1]


class Report:
    """The report of a benchmark: printed at once, and kept for the file.

    Args:
        module: the script, as in ``python -m benchmarks.step``.
        title: the heading.
        variant: added to the file's name if one script has several results.
    """

    def __init__(self, module: str, title: str, variant: str = "") -> None:
        package, _, name = module.partition(".")
        self.folder = _ROOT / package / "results"
        self._file = f"{name}_{variant}.md" if variant else f"{name}.md"
        self._lines: list[str] = []
        self._log(f"# {title}")
        self.log(f"`python -m {module}` on {machine()}.{_besides()}")

    def log(self, text: str) -> None:
        """Add a paragraph."""
        self._log("")
        self._log(text)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table; numbers are rounded to three digits."""
        cells = [list(header), *([_cell(value) for value in row] for row in rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
        self._log("")
        for number, row in enumerate(cells):
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self._log(f"| {' | '.join(padded)} |")
            if number == 0:
                self._log(f"|{'|'.join('-' * (width + 2) for width in widths)}|")

    def save(self) -> Path:
        """Write the file and print its path."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / self._file
        path.write_text("\n".join(self._lines) + "\n", encoding="utf-8")
        print(f"\nWritten to {path}.")
        return path

    def _log(self, line: str) -> None:
        self._lines.append(line)
        print(line, flush=True)


def options(description: str | None) -> argparse.ArgumentParser:
    """Make a parser with the options of all benchmarks: --quick, --rounds and --save."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="smaller and rougher")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (5)")
    parser.add_argument("--save", action="store_true", help="write results/NAME.md")
    return parser


def _besides() -> str:
    """Report the machine's load, which slows times but hardly affects ratios."""
    if not hasattr(os, "getloadavg"):
        return ""
    return f" Load average at the start: {os.getloadavg()[0]:.1f}."


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
