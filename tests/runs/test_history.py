import math
import re

import pytest
from support.full_disk import no_file_larger_than

from ponytaco.runs.history import Column, append_history, cut_history, read_history


@pytest.fixture
def history(tmp_path):
    return tmp_path / "history.csv"


def test_rows_are_read_as_they_were_written(history):
    append_history(history, {"step": 10, "loss": 1.23456789, "mi": 2.5e-7})
    append_history(history, {"step": 20, "val_loss": 0.5, "aligned": 1})
    assert read_history(history) == [
        {"step": 10, "loss": 1.23457, "mi": 2.5e-7},
        {"step": 20, "val_loss": 0.5, "aligned": 1},
    ]


def test_the_file_has_one_heading(history):
    for step in (1, 2, 3):
        append_history(history, {"step": step, "loss": 0.1})
    lines = history.read_text(encoding="utf-8").splitlines()
    assert lines[0] == ",".join(Column)
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]


def test_an_empty_file_gets_its_heading(history):
    history.write_text("")
    append_history(history, {"step": 1, "loss": 0.5})
    append_history(history, {"step": 2, "loss": 0.5})
    assert [row["step"] for row in read_history(history)] == [1, 2]


def test_large_steps_are_not_rounded(history):
    append_history(history, {"step": 12_345_678, "loss": 0.5})
    cut_history(history, 20_000_000)
    assert read_history(history)[0]["step"] == 12_345_678


def test_a_loss_that_is_not_a_number_is_kept(history):
    append_history(history, {"step": 1, "loss": float("nan"), "grad_norm": float("inf")})
    (row,) = read_history(history)
    assert math.isnan(row["loss"])
    assert row["grad_norm"] == math.inf


def test_an_unknown_column_is_refused(history):
    with pytest.raises(ValueError):
        append_history(history, {"step": 1, "lost": 0.5})


def test_a_missing_file_is_an_empty_history(history):
    assert read_history(history) == []
    cut_history(history, 5)
    assert not history.exists()


@pytest.mark.parametrize(("step", "kept"), [(40, [10, 20, 30]), (30, [10, 20, 30]), (29, [10, 20])])
def test_cutting_drops_the_rows_after_a_step(history, step, kept):
    for s in (10, 20, 30):
        append_history(history, {"step": s, "epoch": 1, "loss": s / 7, "aligned": 0})
    before = history.read_text(encoding="utf-8").splitlines()
    cut_history(history, step)
    # The rows that are kept do not change in any character.
    assert history.read_text(encoding="utf-8").splitlines() == before[: len(kept) + 1]
    assert [path.name for path in history.parent.iterdir()] == ["history.csv"]


def test_cutting_all_rows_removes_the_file(history):
    append_history(history, {"step": 10, "loss": 1.0})
    cut_history(history, -1)
    assert not list(history.parent.iterdir())
    append_history(history, {"step": 1, "loss": 2.0})
    assert read_history(history) == [{"step": 1, "loss": 2.0}]


@pytest.mark.parametrize("torn", ["20", "20,1", "20,1,3.5,0.00", "20,1,3.5e-", "20,1,-"])
def test_a_row_torn_by_a_crash_does_not_stop_the_run(history, torn):
    append_history(history, {"step": 10, "loss": 1.0})
    with history.open("a", encoding="utf-8") as file:
        file.write(torn)
    cut_history(history, 10)
    append_history(history, {"step": 11, "loss": 2.0})
    assert [row["step"] for row in read_history(history)] == [10, 11]


def test_a_row_that_does_not_fit_leaves_no_part(history):
    append_history(history, {"step": 10, "loss": 1.0})
    before = history.read_bytes()
    with pytest.raises(OSError, match=r"space|large"), no_file_larger_than(len(before) + 5):
        append_history(history, {"step": 20, "loss": 2.0})
    assert history.read_bytes() == before


# Saved by a spreadsheet, or by something else

SAVED = {
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "semicolons": lambda text: text.replace(",", ";").replace(".", ",").encode("utf-8-sig"),
    "semicolons and points": lambda text: text.replace(",", ";").encode(),
    "tabs": lambda text: text.replace(",", "\t").encode("utf-16"),
    "quotes": lambda text: re.sub("[^,\r\n]+", lambda cell: f'"{cell[0].replace(".", ",")}"',
                                  text).encode(),
    "lines of an old Mac": lambda text: text.replace("\r\n", "\r").encode(),
    "empty rows": lambda text: (text + ",,,\r\n\r\n").encode("utf-8-sig"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAVED)
@pytest.mark.parametrize("while_training", [False, True])
def test_what_a_spreadsheet_saves_is_still_the_history(history, kind, while_training):
    append_history(history, {"step": 10, "loss": 1.25, "mi": 2.5e-7})
    append_history(history, {"step": 20, "val_loss": 0.5, "aligned": 1})
    before, rows = history.read_bytes(), read_history(history)
    history.write_bytes(SAVED[kind](before.decode()))
    assert read_history(history) == rows
    if not while_training:
        cut_history(history, 20)
        assert history.read_bytes() == before
    append_history(history, {"step": 30, "loss": 1.0})
    assert read_history(history) == [*rows, {"step": 30, "loss": 1.0}]
    assert history.read_bytes().startswith(before)


@pytest.mark.parametrize("content", [b"PK\3\4 a workbook", b"Schritt,Verlust\n1,2\n", bytes(999)])
def test_what_is_not_a_history_is_kept_under_another_name(history, content):
    history.write_bytes(content)
    append_history(history, {"step": 1, "loss": 2.0})
    assert read_history(history) == [{"step": 1, "loss": 2.0}]
    assert history.with_name("history.unread.csv").read_bytes() == content


def test_a_history_of_an_older_version_is_kept(history):
    history.write_text("step,loss,gone\n10,1.5,3\n")
    append_history(history, {"step": 20, "loss": 1.0})
    assert read_history(history) == [{"step": 10, "loss": 1.5}, {"step": 20, "loss": 1.0}]


@pytest.mark.parametrize("step", ["nan", "inf", "-inf", "-1", "1e400", "1" + "0" * 600, "true"])
def test_rows_of_impossible_steps_are_left_out(tmp_path, step):
    path = tmp_path / "history.csv"
    path.write_text(f"step,loss\n1,2\n{step},3\n2,inf\n")
    assert [row["step"] for row in read_history(path)] == [1, 2]
