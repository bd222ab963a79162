import json
import shutil

import pytest
import torch
from support.golden_states import plain_checkpoint
from support.tensor_files import edit

from ponytaco.checkpoint.format import CheckpointError, load_checkpoint, save_checkpoint
from ponytaco.export.card import NO_LICENCE, card_text, model_card, voice_name
from ponytaco.runs.folder import Run


def test_the_card_says_what_the_voice_is(bundle, trained_run, fake_dataset):
    card = load_checkpoint(bundle).card
    best = load_checkpoint(trained_run.run.best_model)
    assert card["name"] == trained_run.run.folder.name
    assert (card["licence"], card["note"]) == ("CC0", "made of beeps")
    assert (card["clips"], card["data"]) == (11, fake_dataset.name)
    assert 0.1 < best.minutes < 0.2 and card["minutes"] == round(best.minutes, 1)
    assert card["step"] == best.run_state.step
    (validation,) = [v for v in trained_run.validations if v.step == card["step"]]
    assert card["validation loss"] == pytest.approx(validation.loss, rel=1e-4)
    assert card["coverage"] == pytest.approx(validation.free.coverage, rel=1e-4, abs=1e-6)
    assert card["parameters"] == sum(v.numel() for v in best.state_dict.values())
    said = card_text(card)
    assert "CC0" in said and f"{card['parameters']:,}" in said


def test_the_cards_numbers_are_rounded():
    values = {"a": 0.123456, "b": 3.0, "c": 1234.5678, "d": 12, "e": float("nan"), "f": 0.0}
    said = [line.split()[1] for line in card_text(values).splitlines()]
    assert said == ["0.123", "3", "1,234.57", "12", "nan", "0"]


def test_a_strangers_card_cannot_steer_a_terminal():
    said = card_text({"name": "x\x1b[2J\ny\u202e", "note": "n" * 10_000})
    assert said.count("\n") == 1 and all(c.isprintable() or c == "\n" for c in said)
    assert len(said) < 3000


def test_without_a_licence_the_card_says_so(trained_run):
    folder = trained_run.run.folder
    assert model_card(load_checkpoint(Run(folder).voice()), folder)["licence"] == NO_LICENCE


def test_an_evaluation_of_this_step_is_on_the_card(trained_run, tmp_path):
    folder = shutil.copytree(trained_run.run.folder, tmp_path / "run")
    checkpoint = load_checkpoint(Run(folder).voice())
    for step, there in ((checkpoint.run_state.step, True), (1, False)):
        new = {"word_error_rate": 0.25, "words_skipped": None, "n": 50}
        report = {"step": step, "new": new, "ceiling": {"word_error_rate": 0.125}, "clips": 3}
        Run(folder).evaluation.mkdir(exist_ok=True)
        Run(folder).evaluation_report.write_text(json.dumps(report))
        card = model_card(checkpoint, folder)
        scores = {name: value for name, value in card.items() if name.startswith("evaluation")}
        expected = {
            "evaluation: words misheard": 0.25,
            "evaluation: words misheard, real clips": 0.125,
        }
        assert scores == (expected if there else {})
    for damaged in ("[", "[]", json.dumps({"step": checkpoint.run_state.step})):
        Run(folder).evaluation_report.write_text(damaged)
        assert not any(name.startswith("evaluation") for name in model_card(checkpoint, folder))


@pytest.mark.parametrize("card", [7, {"a": [1]}, {3: "x"}, {"a": {"b": torch.zeros(1)}}])
def test_a_card_of_another_kind_is_damage(tmp_path, card):
    save_checkpoint(tmp_path / "x.voice", plain_checkpoint())
    edit(tmp_path / "x.voice", lambda content: content.update(card=card))
    with pytest.raises(CheckpointError, match="its card"):
        load_checkpoint(tmp_path / "x.voice")


def test_a_voice_is_called_after_its_run_or_its_file(tmp_path):
    run = Run(tmp_path / "Zecora")
    run.prepare()
    assert voice_name(run.folder) == voice_name(run.best_model) == "Zecora"
    assert voice_name(tmp_path / "Rarity.voice") == "Rarity"
