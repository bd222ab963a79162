"""``ponytaco import``, and what the other commands do with another program's file."""

import json

import numpy as np
import pytest
import torch
from support.foreign_files import save_foreign
from support.golden_states import PLAIN

from ponytaco.checkpoint.format import load_checkpoint
from ponytaco.cli import main


@pytest.fixture
def theirs(tmp_path):
    return save_foreign(tmp_path / "zecora.pt", "NVIDIA's checkpoint")


def test_a_file_becomes_a_voice_that_speaks(tmp_path, theirs, capsys, hasty_vocoder):
    voice = tmp_path / "Zecora.voice"
    words = ["--name", "Zecora", "--licence", "CC0", "--set", "f_max=7600"]
    assert main(["import", str(theirs), str(voice), *words]) == 0
    said = capsys.readouterr().out
    assert "step 7, plain head" in said and f"ponytaco speak {voice}" in said
    assert said.count("Note:") == 1 and "148 symbols" in said
    checkpoint = load_checkpoint(voice)
    assert checkpoint.card["name"] == "Zecora" and checkpoint.card["licence"] == "CC0"
    assert checkpoint.config.audio.f_max == 7600
    assert main(["export", str(voice), "--show"]) == 0
    assert "zecora.pt" in capsys.readouterr().out
    with hasty_vocoder():
        out = tmp_path / "x.wav"
        words = ["speak", str(voice), "Hello.", "--max-seconds", "0.5", "-o", str(out)]
        assert main(words) == 0
        assert out.stat().st_size > 1000 and capsys.readouterr().err.count("148 symbols") == 0


def test_speak_takes_their_file_and_says_what_it_assumes(tmp_path, theirs, capsys, hasty_vocoder):
    with hasty_vocoder():
        words = ["speak", str(theirs), "Hello.", "--max-seconds", "0.5", "--json"]
        assert main([*words, "-o", str(tmp_path / "x.wav")]) == 0
    out, err = capsys.readouterr()
    assert "its 148 symbols are taken to be NVIDIA's, and its mels" in err
    assert json.loads(out)["step"] == 7


def test_a_dictionary_is_used_as_the_user_wants_it(tmp_path, theirs, capsys, hasty_vocoder):
    (tmp_path / "d.txt").write_text("ZECORA  Z EH0 K AO1 R AH0\n")
    words = ["speak", str(theirs), "Zecora {HH AH0} hello.", "--max-seconds", "0.5"]
    with hasty_vocoder():
        dictionary = ["--dictionary", str(tmp_path / "d.txt")]
        assert main([*words, *dictionary, "-o", str(tmp_path / "x.wav")]) == 0
    assert "letters alone" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "f_max"], "write name=value"),
        (["--set", "sampling_rate=48000"], "sampling_rate is called sample_rate here"),
        (["--symbols", "klingon"], "nvidia, seed, cookietts"),
        (["--symbols", "seed"], "the table that was given has 179"),
    ],
)
def test_wrong_options_are_explained(tmp_path, theirs, capsys, words, said):
    assert main(["import", str(theirs), str(tmp_path / "X.voice"), *words]) == 1
    assert said in capsys.readouterr().err and not (tmp_path / "X.voice").exists()


def test_a_missing_file_is_named(tmp_path, capsys):
    assert main(["import", str(tmp_path / "none.pt"), str(tmp_path / "X.voice")]) == 1
    assert "none.pt" in capsys.readouterr().err


def test_their_file_can_be_exported_and_evaluated(
    tmp_path, theirs, capsys, fake_dataset, hasty_vocoder
):
    assert main(["export", str(theirs), "--to", "bundle", "-o", str(tmp_path / "b.voice")]) == 0
    assert "babble" not in capsys.readouterr().out  # nobody knows
    assert main(["export", str(theirs), "--to", "nvidia", "-o", str(tmp_path / "b.pt")]) == 0
    back = torch.load(tmp_path / "b.pt", weights_only=True)["state_dict"]
    assert all(torch.equal(back[name], value) for name, value in PLAIN.items())
    capsys.readouterr()
    (tmp_path / "s.txt").write_text("Hello there.\n")
    words = ["--data", str(fake_dataset), "--quick", "--device", "cpu"]
    with hasty_vocoder():
        assert main(["evaluate", str(theirs), *words, "--sentences", str(tmp_path / "s.txt")]) == 0
    assert "148 symbols" in capsys.readouterr().out
    report = json.loads((tmp_path / "zecora_evaluation" / "quick.json").read_text())
    assert np.isfinite(report["step"])


def test_evaluate_asks_for_the_clips(theirs, capsys):
    assert main(["evaluate", str(theirs), "--quick"]) == 1
    assert "--data FOLDER" in capsys.readouterr().err
