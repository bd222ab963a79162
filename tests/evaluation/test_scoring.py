import json
import shutil

import pytest
from full_disk import no_file_larger_than

import ponytaco.evaluation as evaluation_module
from ponytaco.checkpoint import load_checkpoint, save_checkpoint
from ponytaco.evaluation import evaluate
from ponytaco.filelists import FilelistError
from ponytaco.run import Run, RunError


@pytest.fixture
def run(trained_run, tmp_path):
    return Run(shutil.copytree(trained_run.run.folder, tmp_path / "run"))


def test_the_report_holds_the_scores(run, fake_dataset):
    result = evaluate(run, device="cpu")
    assert result.n_clips == 3
    assert result.report == run.folder / "evaluation.json"
    content = json.loads(result.report.read_text(encoding="utf-8"))
    validation = result.validation
    assert content["clips"] == 3
    assert content["step"] == validation.step == load_checkpoint(run.best_model).progress.step
    assert content["loss"] == validation.loss
    assert content["teacher_forced"]["focus"] == validation.teacher_forced.focus
    assert content["free"]["coverage"] == validation.free.coverage
    assert content["aligned"] == validation.free.aligned
    assert content["stopped"] == validation.stopped
    assert (run.alignments / f"step-{validation.step:06d}.png").is_file()


def test_it_finds_what_the_training_found(run, trained_run):
    """The same clips, the same seed: the same score, whatever was computed in between."""
    step = load_checkpoint(run.best_model).progress.step
    (found,) = [v for v in trained_run.validations if v.step == step]
    result = evaluate(run, device="cpu").validation
    assert result.loss == pytest.approx(found.loss, rel=1e-6)
    assert result.free == found.free


def test_other_clips_are_scored_where_named(run, tmp_path, fake_dataset):
    folder = shutil.copytree(fake_dataset, tmp_path / "data")
    lines = (folder / "val.txt").read_text().splitlines()
    (folder / "val.txt").write_text(lines[0] + "\n")
    assert evaluate(run, folder, device="cpu").n_clips == 1


def test_without_a_best_model_the_newest_is_scored(run, monkeypatch):
    monkeypatch.setattr(evaluation_module, "save_pictures", lambda *args: None)
    run.best_model.unlink()
    assert evaluate(run, device="cpu").validation.step == 60


@pytest.mark.parametrize("recorded", ["gone", ""])
def test_clips_that_moved_are_asked_for(run, recorded):
    checkpoint = load_checkpoint(run.best_model)
    checkpoint.dataset = recorded and str(run.folder / recorded)
    save_checkpoint(run.best_model, checkpoint)
    with pytest.raises(FilelistError, match="--data"):
        evaluate(run, device="cpu")
    assert not (run.folder / "evaluation.json").exists()


def test_a_folder_without_a_voice_is_said(tmp_path, fake_dataset):
    with pytest.raises(RunError, match="no trained voice"):
        evaluate(Run(tmp_path), fake_dataset)


def test_a_report_that_cannot_be_written_leaves_the_last_one(run, monkeypatch):
    monkeypatch.setattr(evaluation_module, "save_pictures", lambda *args: None)
    before = evaluate(run, device="cpu").report.read_text()

    with pytest.raises((OSError, ValueError)), no_file_larger_than(50):
        evaluate(run, device="cpu")
    assert (run.folder / "evaluation.json").read_text() == before
    assert not [path for path in run.folder.iterdir() if path.name.startswith(".")]
