"""The step's benchmark runs whole on a tiny model: it swaps modules and times private functions."""

import sys

from benchmarks import step


def test_every_part_runs_and_says_what_it_measured(monkeypatch, capsys):
    monkeypatch.setattr(step, "peak_memory", lambda name, config, size: 2.0)
    arguments = "--preset tiny --size 2,8,12 --rounds 1 --only floor --only phases --only reference"
    monkeypatch.setattr(sys, "argv", ["step", *arguments.split()])
    step.main()
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines()]
    numbers = {row[0]: row[1:] for row in rows if len(row) > 1 and row[0] != "type"}
    assert float(numbers["attention loop, backward"][0]) > 0
    assert all(0 <= float(share) < 100 for share in numbers["recogniser"])  # 0.0 on a busy machine
    assert numbers["reference"] == ["1", "1", "2"]
    assert float(numbers["bfloat16"][0]) > 0
