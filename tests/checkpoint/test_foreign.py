"""What foreign files tell besides their weights: nothing in it costs time or raises an error."""

import argparse
import json

import pytest
import torch
from support.costs import at_most

from ponytaco.checkpoint.foreign import read_foreign
from ponytaco.checkpoint.format import new_model
from ponytaco.presets import preset
from ponytaco.text.symbols import SYMBOLS

STATE = new_model(preset("tiny")).state_dict()


def read(path, **content):
    torch.save({"state_dict": STATE, **content}, path)
    with at_most():
        return read_foreign(path)


def one_in_another(n, depth):
    """A table of n places that hold the same table, and so on."""
    table = {f"leaf{i}": 1 for i in range(n)}
    for level in range(depth):
        table = {f"{level}.{i}": table for i in range(n)}
    return table


@pytest.mark.parametrize(
    "hparams",
    [
        argparse.Namespace(**one_in_another(1000, 2)),
        argparse.Namespace(inner=argparse.Namespace(**one_in_another(1000, 2))),
        {f"section{i}": {f"name{i}": 1} for i in range(40_000)},
        json.dumps({f"s{i}": {f"n{i}": 1} for i in range(40_000)}),
        json.dumps([[]] * 300_000),
        "[" * 100_000,
    ],
    ids=["in another", "deeper", "sections", "JSON", "a list", "depth"],
)
def test_settings_in_a_thousand_places_cost_little(tmp_path, hparams):
    voice = read(tmp_path / "f", hparams=hparams)
    assert voice.symbols == SYMBOLS and len(voice.hparams) <= 10_000


def test_settings_that_contain_themselves_are_read(tmp_path):
    hparams = argparse.Namespace(sampling_rate=48_000)
    hparams.own = hparams
    assert read(tmp_path / "f", hparams=hparams).audio == {"sample_rate": 48_000}


def test_outer_settings_come_before_those_of_sections(tmp_path):
    hparams = {"a": {"hop_length": 1, "win_length": 2, "b": {"win_length": 3, "n_fft": 4}},
               "hop_length": 5}  # fmt: skip
    assert read(tmp_path / "f", hparams=hparams).audio == {
        "hop_length": 5, "win_length": 2, "n_fft": 4
    }  # fmt: skip


@pytest.mark.parametrize("key", [5, None, 2.5, b"x", (1, 2), True])
def test_keys_that_are_no_texts_are_passed_over(tmp_path, key):
    assert read(tmp_path / "f", **{"hparams": {key: 1}}).symbols == SYMBOLS
    torch.save({"state_dict": {**STATE, key: torch.ones(1)}, key: 1}, tmp_path / "f")
    assert read_foreign(tmp_path / "f").symbols == SYMBOLS


def test_the_prefixes_of_wrappers_are_left_out(tmp_path):
    state = {f"module._orig_mod.module.{name}": value for name, value in STATE.items()}
    assert read(tmp_path / "f", state_dict=state).weights.keys() == STATE.keys()
    assert "a.module.b" in read(tmp_path / "f", state_dict={"a.module.b": torch.ones(1)}).weights


@pytest.mark.parametrize("part", ["model.", "net.tacotron2.", "module.model."])
def test_a_part_of_another_program_is_read_by_its_own_names(tmp_path, part):
    state = {f"{part}{name}": value for name, value in STATE.items()}
    assert read(tmp_path / "f", state_dict=state).weights.keys() == STATE.keys()
    state["other.weight"] = torch.ones(1)  # not a Tacotron 2 alone
    assert "other.weight" in read(tmp_path / "f", state_dict=state).weights
