import json
import math
import os
import re
import sys
from types import SimpleNamespace

import pytest

from experiments.learning import __main__ as command
from experiments.learning import runs
from experiments.learning.picture import draw
from experiments.learning.recipes import (
    RECIPES,
    changes,
    chosen,
    configs,
    differences,
    parse_recipe,
)
from experiments.learning.summary import by_recipe, details, outcome
from ponytaco.config import ConfigError
from ponytaco.evaluation.sentences import SENTENCES, SentencesError
from ponytaco.presets import preset
from ponytaco.runs.history import append_history


def history(n_checks, aligned=(), forced=(), every=10):
    """Rows of as many checks, with steps' rows between; aligned at the steps named."""
    rows = []
    for step in range(every // 2, n_checks * every + 1, every // 2):
        row = {"step": float(step), "loss": 1.0}
        if step % every == 0:
            row |= {
                "val_loss": 100.0 / step, "focus": 0.5, "free_focus": step / 1000,
                "free_coverage": 0.5, "free_forward": 0.5, "free_in_order": 0.5,
                "free_stopped": 0.5, "aligned": float(step in aligned),
                "forced_aligned": float(step in forced),
            }  # fmt: skip
        rows.append(row)
    return rows


def summed_up(rows, recipe="all", seed=1, n_steps=50, heard=None):
    return outcome(recipe, seed, rows, n_steps, 10, heard)


def test_the_recipes_differ_in_what_their_names_say():
    settings = configs(RECIPES, "small", {})
    on = {
        name: {
            part
            for part, is_on in {
                "mmi": c.train.mmi and c.model.head == "mmi",
                "drop": c.train.drop_frame_rate > 0,
                "guidance": c.train.guidance_weight > 0,
                "forcing": c.train.attention_forcing > 0,
                "phones": c.train.arpabet_first_steps > 0,
                "mean": c.train.average_decay > 0,
                "r": c.model.n_frames_per_step > 2,
            }.items()
            if is_on
        }
        for name, c in settings.items()
    }
    assert on == {
        "plain": set(),
        "drop": {"drop"},
        "mmi": {"mmi"},
        "mmi+drop": {"mmi", "drop"},
        "guidance": {"guidance"},
        "guidance+forcing": {"guidance", "forcing"},
        "unaveraged": {"mmi", "drop", "guidance", "forcing", "phones"},
        "all": {"mmi", "drop", "guidance", "forcing", "phones", "mean"},
        "r": {"mmi", "drop", "guidance", "forcing", "phones", "mean", "r"},
    }
    assert settings["all"] == preset("small")
    assert settings["plain"].model.head == "plain" and not settings["plain"].train.mmi


def test_a_recipe_of_ones_own():
    name, recipe = parse_recipe("x-2:drop_frame_rate=0.4,cleaner=a,b,mmi=no")
    assert (name, recipe) == ("x-2", {"drop_frame_rate": "0.4", "cleaner": "a,b", "mmi": "no"})
    assert parse_recipe("bare:") == ("bare", {})
    assert list(chosen(["r", "all"], {"x": {}})) == ["r", "all", "x"]
    settings = configs({"x": {"drop_frame_rate": "0.4"}}, "small", {"p_arpabet": "1"})["x"]
    assert changes(preset("small"), settings) == ["drop_frame_rate 0.4", "p_arpabet 1.0"]


@pytest.mark.parametrize("text", ["x", "x y:mmi=no", ":mmi=no", "../x:mmi=no", "x:mmi"])
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(ConfigError, match=re.escape(text.partition(":")[2] or text)):
        parse_recipe(text)


def test_names_and_settings_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="no recipe 'every'.*plain, drop"):
        chosen(["every"], {})
    with pytest.raises(ConfigError, match="'all' already"):
        chosen(["all"], {"all": {}})
    with pytest.raises(ConfigError, match="--recipe NAME:drop_frame_rate=0.3"):
        configs(chosen(["all", "plain"], {}), "small", {"drop_frame_rate": "0.3"})
    assert configs(chosen(["all"], {}), "small", {"drop_frame_rate": "0.3"})


def test_only_what_changes_the_learning_is_a_difference():
    begun = preset("small")
    assert not differences(begun, begun.replace(max_steps=9, max_minutes=1, device="cpu"))
    assert differences(begun, begun.replace(seed=5, p_arpabet=1)) == [
        "seed 1234, not 5",
        "p_arpabet 0.5, not 1.0",
    ]


def test_since_when_and_whether_it_holds():
    o = summed_up(history(5, aligned={30, 50}, forced={20, 30, 40, 50}))
    assert (o.forced_aligned, o.aligned, o.lost, o.n_later) == (20, 30, 1, 2)
    assert o.is_finished and o.step == 50
    assert o.last("val_loss") == 2.0 and o.last("free_focus") == 0.05
    never = summed_up(history(3))
    assert math.isinf(never.aligned) and math.isnan(never.lost) and not never.is_finished


def test_checks_that_not_every_run_makes_do_not_count():
    rows = history(4, aligned={40}, forced={40})
    rows.insert(5, {"step": 27.0, "val_loss": 9.0, "aligned": 1.0, "forced_aligned": 1.0})
    o = summed_up(rows)
    assert (o.aligned, o.forced_aligned, len(o.checks)) == (40, 40, 4)
    rows.append({"step": 47.0, "val_loss": 9.0, "aligned": 0.0})  # a session's end, so far
    assert (summed_up(rows).step, summed_up(rows).last("val_loss")) == (47, 2.5)
    assert summed_up(rows, n_steps=47).last("val_loss") == 9.0  # the run's end
    assert summed_up(rows, n_steps=30).step == 30  # nothing of what comes later


def test_what_is_not_known_is_not_made_up():
    rows = [{k: v for k, v in row.items() if k != "forced_aligned"} for row in history(5)]
    assert math.isnan(summed_up(rows).forced_aligned)
    for o in (summed_up([]), summed_up([{"step": 5.0, "loss": 1.0}])):
        assert math.isinf(o.aligned) and math.isnan(o.last("val_loss"))
        (row,) = details([o])[1]
        assert row[3:] == ["not yet", "not yet", *["–"] * 7]


def cells(table):
    header, rows = table
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_the_tables():
    outcomes = [
        summed_up(history(5, aligned={20, 40, 50}, forced={10}), seed=1),
        summed_up(history(5, aligned={40, 50}, forced={10}), seed=2),
        summed_up(history(4), seed=3),
        summed_up(history(5), "plain"),
    ]
    ours, plain = cells(by_recipe(outcomes))
    assert ours["runs"] == "3, 1 unfinished" and plain["runs"] == "1"
    assert ours["aligned, free"] == "2 of 3: 40 (20 to not yet)"
    assert ours["aligned, fed"] == "2 of 3: 10 (10 to not yet)"
    assert ours["lost later"] == "0.5 (0 to 1)"
    assert ours["validation loss"] == "2.00 (2.00 to 2.50)"
    assert (plain["aligned, free"], plain["lost later"]) == ("0 of 1", "–")
    assert [row["aligned, free"] for row in cells(details(outcomes))] == [
        "20", "40", "not yet", "not yet",
    ]  # fmt: skip
    assert cells(details(outcomes))[0]["lost later"] == "1 of 3"
    assert "misheard" not in ours


def test_what_was_heard_stands_beside_its_ceiling():
    heard = {
        "step": 40, "new": {"word_error_rate": 0.25}, "ceiling": {"word_error_rate": 0.05},
    }  # fmt: skip
    nobody = {"step": 40, "new": {"word_error_rate": None}, "ceiling": {"word_error_rate": None}}
    outcomes = [
        summed_up(history(5), heard=heard),
        summed_up(history(5), seed=2, heard=nobody),
    ]
    (ours,) = cells(by_recipe(outcomes))
    assert (ours["misheard"], ours["ceiling"]) == ("25%", "5%")
    assert cells(details(outcomes))[0]["of the best at"] == "40"
    assert cells(details(outcomes))[1]["misheard"] == "–"


def test_the_picture_has_a_line_a_seed_and_marks_where_it_aligned(tmp_path):
    outcomes = [
        summed_up(history(5, aligned={20, 40}, forced={10})),
        summed_up(history(3), seed=2),
        summed_up(history(5), "plain"),
        summed_up([], "mmi"),
    ]
    figure = draw(outcomes)
    figure.savefig(tmp_path / "picture.png")
    *curves, strip = figure.axes
    # Two seeds and their median, and one alone; the run that has not begun has no curve.
    assert [len(axes.lines) for axes in curves] == [4] * 4
    marks = {tuple(line.get_xdata()) for line in strip.lines}
    assert marks == {(10.0,), (20.0,), (30.0, 50.0)}
    labels = [label.get_text() for label in strip.get_yticklabels()]
    assert labels == ["all: 1 of 2", "plain: 0 of 1", "mmi: 0 of 1"]


@pytest.fixture
def program(tmp_path, monkeypatch):
    """In place of Python: a program that notes how it was called, and does as it is told."""

    def stands_in(does):
        path = tmp_path / "program"
        path.write_text(f'#!/bin/sh\necho "$OMP_NUM_THREADS $*" >> {tmp_path}/called\n{does}\n')
        path.chmod(0o755)
        monkeypatch.setattr(runs.sys, "executable", str(path))
        return lambda: (tmp_path / "called").read_text().splitlines()

    return stands_in


def to_do(folder, *names, **settings):
    config = preset("tiny").replace(max_steps=20, **settings)
    return [(runs.learner(folder, name, 7), config.replace(seed=7)) for name in names]


def test_programs_run_side_by_side_and_failures_are_told(tmp_path, program, monkeypatch):
    monkeypatch.setattr(runs, "_n_cores", lambda: 8)
    called = program('case "$*" in *bad-7*) echo It broke.; exit 1;; esac; echo Done.')
    said = []
    todo = to_do(tmp_path, "good", "bad", "other")
    failed = runs.train(todo, tmp_path / "Data", 3, say=said.append)
    assert [one.name for one in failed] == ["bad-7"]
    assert len(called()) == 3
    for line in called():
        assert line.startswith("2 -m ponytaco train")
        assert "--set=seed=7" in line and "--set=max_minutes=0.0" in line
    assert any("bad-7: FAILED" in text and "It broke." in text for text in said)
    assert any(text.startswith("good-7:") and text.endswith("Done.") for text in said)
    assert todo[0][0].machines() and todo[0][0].log.read_text() == "Done.\n"


def test_all_end_in_time(tmp_path, program):
    called = program("sleep 0.5")
    said = []
    minutes = runs._SHORTEST_MINUTES + 0.4 / 60
    runs.train(to_do(tmp_path, "one", "two"), tmp_path, 1, minutes, said.append)
    (line,) = called()
    given = float(re.search(r"max_minutes=([\d.]+)", line)[1])
    assert 0 < given <= minutes + 1e-3
    assert said[-1].startswith("two-7: no time left")


def test_what_is_finished_is_not_run_again(tmp_path, program):
    called = program("")
    todo = to_do(tmp_path, "done", "half")
    for (one, _), step in zip(todo, (20, 10), strict=True):
        one.run.folder.mkdir()
        append_history(one.run.history, {"step": step, "loss": 1.0})
    runs.train(todo, tmp_path, 1, say=lambda text: None)
    assert len(called()) == 1 and "half-7" in called()[0]


def test_a_run_of_other_settings_is_refused(tmp_path, program):
    called = program("")
    ((one, config),) = todo = to_do(tmp_path, "all")
    one.run.folder.mkdir()
    one.run.current_model.touch()
    one.run.config.write_text(config.replace(drop_frame_rate=0.5, max_steps=3).to_json())
    with pytest.raises(ConfigError, match=r"all-7 was begun with drop_frame_rate 0.5, not 0.35\."):
        runs.train(todo, tmp_path, 1)
    with pytest.raises(FileNotFoundError):
        called()


def test_new_sentences(fake_dataset, tmp_path):
    path = runs.write_sentences(tmp_path / "s.txt", 3, fake_dataset, None)
    assert path.read_text().splitlines() == list(SENTENCES[:3])
    known = (fake_dataset / "train.txt").read_text().splitlines()[0].split("|")[1]
    own = tmp_path / "own.txt"
    own.write_text(f"{known}\nNew one.\nAnother.\n")
    assert runs.write_sentences(path, 2, fake_dataset, own).read_text() == "New one.\nAnother.\n"
    with pytest.raises(SentencesError, match="only 2"):
        runs.write_sentences(path, 3, fake_dataset, own)


def test_the_demo_voice_gets_sentences_of_its_words(tmp_path):
    (tmp_path / "wavs").mkdir()
    for name in ("train", "val"):
        (tmp_path / f"{name}.txt").write_text(f"wavs/{name}.wav|My pony found your castle.\n")
        (tmp_path / f"wavs/{name}.wav").touch()
    words = set(runs.VOCABULARY)
    path = runs.write_sentences(tmp_path / "s.txt", 5, tmp_path, None)
    lines = path.read_text().splitlines()
    assert len(lines) == 5
    assert all(set(re.findall("[a-z]+", line.lower())) <= words for line in lines)


def test_listening_is_done_once(tmp_path, program, monkeypatch):
    called = program("")
    sentences = tmp_path / "s.txt"
    sentences.write_text("One.\nTwo.\n")
    one = runs.learner(tmp_path, "all", 7)
    (one.run.folder / "evaluation").mkdir(parents=True)
    one.run.best_model.touch()
    best = SimpleNamespace(progress=SimpleNamespace(step=30))
    monkeypatch.setattr(runs, "load_checkpoint", lambda path: best)

    def listen(step, *texts):
        report = {"step": step, "new": {"texts": [{"text": text} for text in texts]}}
        (one.run.folder / "evaluation" / "report.json").write_text(json.dumps(report))
        runs.listen([one], tmp_path, sentences, 1, say=lambda text: None)

    listen(30, "One.", "Two.")
    assert not (tmp_path / "called").exists()
    listen(20, "One.", "Two.")  # a better voice has come since
    listen(30, "One.")
    assert len(called()) == 2
    report = {"step": 30, "new": {"texts": [{"text": "One."}, {"text": "Two."}]}}
    one.run.quick_report.write_text(json.dumps(report))  # the newest counts
    os.utime(one.run.quick_report, (4e9, 4e9))
    runs.listen([one], tmp_path, sentences, 1, say=lambda text: None)
    assert len(called()) == 2 and one.heard() == report
    assert f"evaluate {one.run.folder}" in called()[0] and "--quick" in called()[0]


@pytest.fixture(scope="module")
def folder(fake_dataset, tmp_path_factory):
    """Two recipes, trained for a few steps by the command itself."""
    folder = tmp_path_factory.mktemp("learning")
    run_command(fake_dataset, folder, "--recipes", "plain", "--recipe", "x:n_frames_per_step=3")
    return folder


def run_command(dataset, folder, *options):
    words = ["--preset", "tiny", "--seeds", "5", "--steps", "4", "--every", "2", *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["learning", str(dataset), str(folder), *words])
        command.main()


def test_the_command(folder, fake_dataset, capsys):
    for recipe in ("plain", "x"):
        one = runs.learner(folder, recipe, 5)
        assert [row["step"] for row in one.rows() if "val_loss" in row] == [2, 4]
        assert {"forced_aligned", "in_order", "free_in_order"} <= one.rows()[-1].keys()
    assert runs.learner(folder, "plain", 5).config().model.head == "plain"
    assert runs.learner(folder, "x", 5).config().model.n_frames_per_step == 3
    picture = folder / "learning_beeps.png"
    picture.unlink()
    logs = [path.read_text() for path in sorted(folder.glob("*/log.txt"))]

    run_command(fake_dataset, folder, "--report-only")
    said = capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert re.search(r"\| plain +\| 5 +\| 4 +\|", said)
    assert re.search(r"\| x +\| n_frames_per_step 3 +\|", said)

    run_command(fake_dataset, folder, "--recipes", "plain")
    assert [path.read_text() for path in sorted(folder.glob("*/log.txt"))] == logs
    assert "train" not in capsys.readouterr().out.splitlines()[0]


def test_results_are_saved_by_the_data_sets_name(folder, fake_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.report._ROOT", tmp_path)
    run_command(fake_dataset, folder, "--report-only", "--save")
    results = tmp_path / "experiments" / "results"
    assert {path.name for path in results.iterdir()} == {"learning_beeps.md", "learning_beeps.png"}
    assert "learning_beeps.png" in (results / "learning_beeps.md").read_text()


def test_mistakes_end_in_a_sentence(fake_dataset, tmp_path):
    for options, sentence in (
        (["--recipes", "every"], "no recipe 'every'"),
        (["--set", "drop=1"], "no setting 'drop'"),
        (["--report-only"], "no run with a history"),
    ):
        with pytest.raises(SystemExit, match=sentence):
            run_command(fake_dataset, tmp_path, *options)
