import math

import pytest

from ponytaco.runs.folder import Run, RunError, voice_files
from ponytaco.runs.history import HISTORY_COLUMNS, append_history, cut_history, read_history


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "colab" / "Zecora")


@pytest.fixture
def history(tmp_path):
    return tmp_path / "history.csv"


def test_where_things_are(run):
    assert {
        name: getattr(run, name).relative_to(run.folder).as_posix()
        for name in ("current_model", "best_model", "config", "history", "alignments", "samples")
    } == {
        "current_model": "current_model",
        "best_model": "best_model",
        "config": "config.json",
        "history": "history.csv",
        "alignments": "alignments",
        "samples": "samples",
    }


def test_asking_touches_nothing(run, tmp_path):
    assert not run.resumable
    with pytest.raises(RunError):
        run.voice()
    assert not list(tmp_path.iterdir())


def test_preparing_makes_the_folders_and_may_be_repeated(run):
    run.prepare()
    (run.samples / "a.wav").write_bytes(b"1")
    run.prepare()
    assert run.alignments.is_dir()
    assert (run.samples / "a.wav").read_bytes() == b"1"
    assert not run.resumable


def test_a_folder_that_cannot_be_is_refused_by_name(tmp_path):
    (tmp_path / "taken").write_text("a file")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "inside"):
        with pytest.raises(RunError, match="taken") as caught:
            Run(folder).prepare()
        assert "Choose another folder" in str(caught.value)


def test_only_a_current_model_can_be_resumed(run):
    run.prepare()
    run.best_model.write_bytes(b"best")
    assert not run.resumable
    run.current_model.mkdir()
    assert not run.resumable
    run.current_model.rmdir()
    run.current_model.write_bytes(b"current")
    assert run.resumable


def test_the_best_voice_speaks_or_else_the_newest(run):
    run.prepare()
    run.current_model.write_bytes(b"current")
    assert run.voice() == run.current_model
    run.best_model.write_bytes(b"best")
    assert run.voice() == run.best_model
    run.current_model.unlink()
    assert run.voice() == run.best_model


def test_no_voice_tells_what_to_do(run):
    with pytest.raises(RunError, match="ponytaco train") as caught:
        run.voice()
    assert str(run.folder) in str(caught.value)


def test_rows_come_back(history):
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
    assert lines[0] == ",".join(HISTORY_COLUMNS)
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


def test_a_loss_that_is_no_number_is_kept_as_that(history):
    append_history(history, {"step": 1, "loss": float("nan"), "grad_norm": float("inf")})
    (row,) = read_history(history)
    assert math.isnan(row["loss"])
    assert row["grad_norm"] == math.inf


def test_an_unknown_column_is_a_mistake(history):
    with pytest.raises(ValueError):
        append_history(history, {"step": 1, "lost": 0.5})


def test_no_file_is_no_history(history):
    assert read_history(history) == []
    cut_history(history, 5)
    assert not history.exists()


@pytest.mark.parametrize(("step", "kept"), [(40, [10, 20, 30]), (30, [10, 20, 30]), (29, [10, 20])])
def test_cutting_drops_what_comes_after(history, step, kept):
    for s in (10, 20, 30):
        append_history(history, {"step": s, "epoch": 1, "loss": s / 7, "aligned": 0})
    before = history.read_text(encoding="utf-8").splitlines()
    cut_history(history, step)
    # What is kept is kept letter by letter.
    assert history.read_text(encoding="utf-8").splitlines() == before[: len(kept) + 1]
    assert [path.name for path in history.parent.iterdir()] == ["history.csv"]


def test_cutting_to_nothing_leaves_no_file_and_a_fresh_start(history):
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


def test_a_dataset_folder_is_no_place_for_a_run(tmp_path):
    (tmp_path / "train.txt").write_text("wavs/1.wav|hello\n")
    with pytest.raises(RunError, match="is a dataset folder. Give the run a folder of its own"):
        Run(tmp_path).prepare()
    assert [path.name for path in tmp_path.iterdir()] == ["train.txt"]


def test_a_run_does_not_lie_in_a_data_set(tmp_path):
    dataset = tmp_path / "data" / "Zecora"
    with pytest.raises(RunError, match="lies in the data set.*runs/Zecora"):
        Run(dataset / "wavs").require_apart_from([tmp_path / "other", dataset])
    Run(tmp_path / "data").require_apart_from([dataset])
    Run(tmp_path / "data" / "Zecora2").require_apart_from([dataset])


# Where there is no voice


def made(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def why_none(path):
    with pytest.raises(RunError) as error:
        voice_files(path)
    said = str(error.value)
    assert str(path) in said and "\n" not in said
    return said


def test_a_name_that_is_wrong_is_answered_with_those_that_are_there(tmp_path):
    made(tmp_path / "Zecora" / "best_model")
    made(tmp_path / "Rarity" / "current_model")
    made(tmp_path / "Spike.voice")
    (tmp_path / "notes").mkdir()
    said = why_none(tmp_path / "Zecra")
    assert f"Did you mean {tmp_path / 'Zecora'}?" in said
    assert said.endswith(f"The voices in {tmp_path} are: Rarity, Spike.voice, Zecora.")
    assert "Did you mean" not in why_none(tmp_path / "nobody")
    assert f"Give {tmp_path / 'Rarity'}." in why_none(tmp_path)


def test_what_is_there_instead_of_a_voice_is_said(tmp_path):
    made(tmp_path / "data" / "train.txt")
    assert f"ponytaco train {tmp_path / 'data'} runs/data" in why_none(tmp_path / "data")
    made(tmp_path / "young" / "config.json")
    assert "no voice yet" in why_none(tmp_path / "young")
    assert "ponytaco train DATASET" in why_none(tmp_path / "nowhere" / "run")
    with pytest.raises(RunError, match="is a file"):
        Run(made(tmp_path / "file")).voices()


def test_a_file_is_its_own_voice(tmp_path):
    assert voice_files(made(tmp_path / "x.voice")) == [tmp_path / "x.voice"]
    made(tmp_path / "run" / "current_model"), made(tmp_path / "run" / "best_model")
    assert [path.name for path in voice_files(tmp_path / "run")] == ["best_model", "current_model"]
