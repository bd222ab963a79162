import io
import json
import os
import shutil
import sys

import pytest
import soundfile
import torch
from support.commands import files, misused, no_space, refused

from ponytaco.audio.wav import AudioError, save_wav
from ponytaco.checkpoint.format import load_checkpoint, save_checkpoint
from ponytaco.cli import main
from ponytaco.synthesis.options import LIMITS, SpeechOptions


def test_a_text_from_standard_input(voice, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("Bad day.\nCake.\n"))
    wav = tmp_path / "out.wav"
    assert main(["speak", str(voice), "-", "-o", str(wav), "--max-seconds", "0.2"]) == 0
    assert 0.4 < soundfile.info(wav).duration <= 2 * 0.2 + 0.4


class BinaryInput(io.StringIO):
    """Standard input whose bytes are no text of the terminal's encoding."""

    def __init__(self, content):
        super().__init__()
        self.buffer = io.BytesIO(content)


def test_standard_input_of_another_encoding(voice, tmp_path, capsys, monkeypatch):
    wav = tmp_path / "out.wav"
    words = ["speak", voice, "-", "-o", wav, "--max-seconds", "0.1", "--retries", "0"]
    monkeypatch.setattr(sys, "stdin", BinaryInput("Bad day.\ncafé".encode("latin-1")))
    printed = refused(capsys, *words)
    assert (
        "Standard input" in printed
        and "line 2" in printed
        and "0xe9" in printed
        and "UTF-8" in printed
    )
    assert not wav.exists()
    monkeypatch.setattr(sys, "stdin", BinaryInput("Bad day.".encode("utf-16")))
    assert main([*map(str, words)]) == 0 and wav.exists()


def test_many_lines_become_many_files(voice, tmp_path, capsys):
    lines = tmp_path / "lines.txt"
    lines.write_text("Bad day!\n\n???\n  ../../Bee <b>\nCake {K QQ1}.\n")
    words = ["speak", voice, "--file", lines, "--out-dir", tmp_path / "new" / "out"]
    words = [*map(str, words), "--max-seconds", "0.1", "--retries", "0"]
    assert main(words) == 1
    printed = capsys.readouterr()
    assert files(tmp_path / "new") == ["out/001_bad-day.wav", "out/003_bee-b.wav"]
    assert "2 of 4 lines" in printed.out and "001_bad-day.wav" in printed.out
    assert "line 2 left out: " in printed.err and "line 4 left out: " in printed.err
    assert "'QQ1' is not an ARPAbet phone" in printed.err


def test_a_json_report(voice, tmp_path, capsys):
    wav = tmp_path / "out.wav"
    words = ["speak", voice, "Cake. Pony!", "-o", wav, "--json", "--best-of", "2"]
    assert main([*map(str, words), "--max-seconds", "0.1", "--retries", "0"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["step"] > 0 and report["voice"].endswith("best_model")
    (text,) = report["texts"]
    assert text["file"] == str(wav) and text["spelled"] == ["pony"]
    assert [piece["text"] for piece in text["pieces"]] == ["Cake.", "Pony!"]
    assert all(piece["tries"] == 2 for piece in text["pieces"])

    lines = tmp_path / "lines.txt"
    lines.write_text("Cake.\n???\n")
    words = ["speak", voice, "--file", lines, "--out-dir", tmp_path / "out", "--json"]
    assert main([*map(str, words), "--max-seconds", "0.1", "--retries", "0"]) == 1
    first, second = json.loads(capsys.readouterr().out)["texts"]
    assert first["pieces"] and second["file"] is None and "words" in second["error"]


def test_dictionaries_styles_and_ways_of_speaking(voice, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("PONY  K EY1 K\n")
    wav = tmp_path / "out.wav"
    words = ["speak", voice, "Pony.", "-o", wav, "--max-seconds", "0.1", "--retries", "0"]
    how = ["--dictionary", tmp_path / "mine.txt", "--speed", "0.5", "--pause", "2"]
    assert main([*map(str, [*words, *how])]) == 0
    assert "letters" not in capsys.readouterr().err
    (tmp_path / "bad.txt").write_text("PONY  P OW1\nBEE  B IY8\n")
    assert main([*map(str, [*words, "--dictionary", tmp_path / "bad.txt"])]) == 0
    assert "Skipped: bad.txt, line 2" in capsys.readouterr().err
    (tmp_path / "bad.txt").write_text("PONY  P OW8\nBEE  B IY8\n")
    assert " line 2: 'B IY8'" in refused(capsys, *words, "--dictionary", tmp_path / "bad.txt")
    assert "no vocoder 'kazoo'" in refused(capsys, *words, "--vocoder", "kazoo")


def test_a_damaged_best_model_is_no_reason_to_be_silent(voice, tmp_path, capsys):
    (voice / "best_model").write_bytes(b"torn")
    wav = tmp_path / "out.wav"
    words = ["speak", voice, "Cake.", "-o", wav, "--max-seconds", "0.1", "--retries", "0"]
    assert main([*map(str, words)]) == 0
    printed = capsys.readouterr()
    assert "best_model" in printed.err and "current_model speaks instead" in printed.err
    assert "current_model (step" in printed.out


def test_a_text_in_another_encoding_is_a_sentence(voice, tmp_path, capsys, monkeypatch):
    text = io.TextIOWrapper(io.BytesIO("Hé!".encode("latin-1")), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", text)
    assert "UTF-8" in refused(capsys, "speak", voice, "-", "-o", tmp_path / "out.wav")


def test_a_seed_makes_the_same_file(voice, tmp_path):
    wavs = [tmp_path / f"{i}.wav" for i in range(3)]
    for wav, seed in zip(wavs, ("5", "5", "6"), strict=True):
        words = ["speak", str(voice), "Cake.", "-o", str(wav), "--seed", seed]
        assert main([*words, "--max-seconds", "0.3"]) == 0
    assert wavs[0].read_bytes() == wavs[1].read_bytes() != wavs[2].read_bytes()


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--speed", "0", "--speed: '0' is not possible: give a number from 0.5 to 2"),
        ("--speed", "3", "from 0.5 to 2"),
        ("--speed", "fast", "from 0.5 to 2"),
        ("--speed", "nan", "from 0.5 to 2"),
        ("--best-of", "0", "give a whole number from 1 to 64"),
        ("--best-of", "2.5", "give a whole number from 1 to 64"),
        ("--retries", "-1", "from 0 to 100"),
        ("--pause", "-1", "from 0 to 10"),
        ("--gate-threshold", "2", "from 0 to 1"),
        ("--max-seconds", "-1", "from 0 to 600"),
        ("--max-symbols", "1", "from 10 to 1,000"),
        ("--seed", "x", "from 0 to"),
        ("--style", "purple", "There is no style 'purple'. Styles are words such as happy"),
        ("--style", "hapy", "Did you mean Happy?"),
        ("--weights", "float8", "int8"),
    ],
)
def test_a_way_of_speaking_that_cannot_be_is_refused_before_loading(
    capsys, monkeypatch, option, value, expected
):
    monkeypatch.setitem(
        sys.modules, "ponytaco.synthesis.voice", None
    )  # not even the program's part
    assert expected in misused(capsys, "speak", "nobody", "Hi.", option, value)


def test_limits_of_the_command_line_are_those_of_the_delivery():
    for name, (low, high) in LIMITS.items():
        for value in (low, high):
            assert getattr(SpeechOptions(**{name: value}), name) == value


def test_a_vocoder_that_is_not_there_is_refused_before_the_voice(tmp_path, capsys):
    words = ["speak", tmp_path / "nobody", "Hi.", "-o", tmp_path / "x.wav", "--vocoder", "kazoo"]
    assert "no vocoder 'kazoo'" in refused(capsys, *words)


def test_weights_that_contradict_their_settings(voice, capsys, tmp_path):
    checkpoint = load_checkpoint(voice / "best_model")
    checkpoint.config = checkpoint.config.replace(attention_rnn_dim=24)
    shutil.rmtree(voice)
    voice.mkdir()
    save_checkpoint(voice / "best_model", checkpoint)
    wav = tmp_path / "out.wav"
    assert "do not fit" in refused(capsys, "speak", voice, "Cake.", "-o", wav)
    assert not wav.exists()


@pytest.mark.parametrize("text", ["", "  ", "?!"])
def test_nothing_to_say(voice, tmp_path, capsys, text):
    wav = tmp_path / "out.wav"
    assert "words" in refused(capsys, "speak", voice, text, "-o", wav, "--vocoder", "griffin_lim")
    assert not wav.exists()


def test_a_wav_that_cannot_be_written(voice, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.wav")
    for name, what in (
        ("no such folder/out.wav", "no such folder"),
        ("out.mp3", "ffmpeg -i out.wav out.mp3"),
        ("", "is a folder"),
        ("pipe.wav", "is a pipe or a device"),
    ):
        printed = refused(capsys, "speak", voice, "Cake.", "-o", tmp_path / name)
        assert what in printed and "tmp." not in printed.replace(str(tmp_path), "")


def test_a_disk_that_refuses_is_named_without_our_temporary_file(tmp_path):
    with pytest.raises(AudioError, match="No such file") as error:
        save_wav(tmp_path / "gone" / "out.wav", torch.zeros(10), 22_050)
    assert "/.out.wav" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "expected"), [("picture.jpg", "picture.png"), ("nowhere/picture.png", "no folder")]
)
def test_a_picture_that_cannot_be_is_refused_before_the_work(tmp_path, capsys, name, expected):
    assert expected in misused(capsys, "speak", "nobody", "Cake.", "--picture", tmp_path / name)


def test_a_full_disk_while_speaking(voice, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "speech"
    folder.mkdir()
    (folder / "out.wav").write_bytes(b"the last one")
    monkeypatch.setattr(os, "replace", no_space)
    words = ["speak", voice, "Cake.", "-o", folder / "out.wav", "--max-seconds", "0.1",
             "--vocoder", "griffin_lim"]  # fmt: skip
    assert "No space left" in refused(capsys, *words)
    assert files(folder) == ["out.wav"]
    assert (folder / "out.wav").read_bytes() == b"the last one"


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["My", "farmer", "smiles."], "My farmer smiles."),
        (["Good", "day", "--best-of", "2", "to", "all"], "Good day to all"),
    ],
)
def test_a_text_without_quotes(words, whole, capsys):
    with pytest.raises(SystemExit):
        main(["speak", "runs/Zecora", *words])
    assert f'in quotes: ponytaco speak runs/Zecora "{whole}"' in capsys.readouterr().err


def test_a_file_given_as_the_text(tmp_path, capsys):
    (tmp_path / "lines.txt").write_text("Cake.")
    with pytest.raises(SystemExit):
        main(["speak", "runs/Zecora", str(tmp_path / "lines.txt")])
    assert "give it with --file, and --out-dir FOLDER" in capsys.readouterr().err


def test_options_may_stand_before_the_text(voice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["speak", str(voice), "--max-seconds", "0.1", "-o", "a.wav", "Bad day."]) == 0
    assert (tmp_path / "a.wav").is_file()
