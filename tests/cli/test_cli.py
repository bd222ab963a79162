import argparse
import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch
from support.errors import BUGS

import ponytaco.training.loop as training_module
from ponytaco.audio.wav import AudioError, save_wav
from ponytaco.checkpoint.format import load_checkpoint, save_checkpoint
from ponytaco.cli import _parser, main
from ponytaco.cli.train import validation_lines
from ponytaco.config import describe
from ponytaco.metrics.alignment import AlignmentScore
from ponytaco.presets import PRESET_DOCS, PRESETS
from ponytaco.runs.folder import Run
from ponytaco.runs.history import read_history
from ponytaco.synthesis.options import LIMITS, SpeechOptions
from ponytaco.training.validation import Validation

TINY = ["--preset", "tiny", "--batch-size", "4", "--device", "cpu"]


def refused(capsys, *words):
    """Run a command that must fail: exit code 1 and one line on stderr, which is returned."""
    code = main([str(word) for word in words])
    said = capsys.readouterr().err
    assert code == 1
    assert said.startswith("ponytaco: ") and said.endswith("\n")
    assert said.count("\n") == 1, said
    assert "Traceback" not in said
    return said


def misused(capsys, *words):
    """Run a command with words that cannot be: exit code 2 and two lines, which are returned."""
    with pytest.raises(SystemExit) as exit_:
        main([str(word) for word in words])
    said = capsys.readouterr().err
    assert exit_.value.code == 2 and said.count("\n") == 2
    return said


def taking_notes(seen):
    """In place of ``train``: keeps its arguments, and trains nothing."""

    def train(*args, **kwargs):
        seen.append(args)
        return SimpleNamespace(finished=False)

    return train


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def voice(trained_run, tmp_path):
    return shutil.copytree(trained_run.run.folder, tmp_path / "voice")


# The three commands


def test_train_resume_speak_evaluate(fake_dataset, tmp_path, capsys, monkeypatch, hasty_vocoder):
    run = tmp_path / "runs" / "Beeps"
    command = ["train", str(fake_dataset), str(run), *TINY, "--validate-every", "10"]
    assert main([*command, "--set", "max_steps=10"]) == 0
    said = capsys.readouterr()
    assert "11 clips" in said.out and "step     10" in said.out
    assert "validation at step 10" in said.out and "Finished: step 10 of 10.\n" in said.out
    assert f'Next:  ponytaco speak {run} "' in said.out and f"ponytaco evaluate {run}" in said.out
    assert said.out.endswith("the same command with --set max_steps=20\n")
    assert said.err == ""
    assert main([*command, "--set", "max_steps=12"]) == 0
    assert "Resuming Beeps at step 10" in capsys.readouterr().out
    assert [row["step"] for row in read_history(run / "history.csv")] == [10, 12]

    wav, picture = tmp_path / "out.wav", tmp_path / "out.png"
    words = ["speak", str(run), "Bad day. Pony!", "-o", str(wav), "--picture", str(picture)]
    assert main([*words, "--max-seconds", "0.3"]) == 0
    said = capsys.readouterr()
    assert str(wav) in said.out and "best_model" in said.out
    assert "pony" in said.err and "Traceback" not in said.err
    assert "ponytaco: This voice has not learnt to read yet (step 1" in said.err
    assert "focus" not in said.err and said.err.count("babble") == 1
    info = soundfile.info(wav)
    assert (info.samplerate, info.channels, info.subtype) == (22_050, 1, "PCM_16")
    assert 0.4 < info.duration <= 2 * 0.3 + 0.4  # a pause, and what silence was trimmed off
    assert picture.read_bytes().startswith(b"\x89PNG")

    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    sentences = tmp_path / "sentences.txt"
    sentences.write_text("Bad day.\n")
    words = ["evaluate", str(run), "--sentences", str(sentences), "--quick", "--device", "cpu"]
    with hasty_vocoder():
        assert main(words) == 0
    said = capsys.readouterr()
    assert "3 validation clips" in said.out and "1 new sentences" in said.out
    assert "ponytaco[evaluate]" in said.out and "quick.html" in said.out
    assert (run / "evaluation" / "quick.json").is_file()


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
    said = refused(capsys, *words)
    assert "Standard input" in said and "line 2" in said and "0xe9" in said and "UTF-8" in said
    assert not wav.exists()
    monkeypatch.setattr(sys, "stdin", BinaryInput("Bad day.".encode("utf-16")))
    assert main([*map(str, words)]) == 0 and wav.exists()


def test_many_lines_become_many_files(voice, tmp_path, capsys):
    lines = tmp_path / "lines.txt"
    lines.write_text("Bad day!\n\n???\n  ../../Bee <b>\nCake {K QQ1}.\n")
    words = ["speak", voice, "--file", lines, "--out-dir", tmp_path / "new" / "out"]
    words = [*map(str, words), "--max-seconds", "0.1", "--retries", "0"]
    assert main(words) == 1
    said = capsys.readouterr()
    assert files(tmp_path / "new") == ["out/001_bad-day.wav", "out/003_bee-b.wav"]
    assert "2 of 4 lines" in said.out and "001_bad-day.wav" in said.out
    assert "line 2 is left out" in said.err and "line 4 is left out" in said.err
    assert "'QQ1' is not an ARPAbet phone" in said.err


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
    (tmp_path / "mine.txt").write_text("PONY  P OW1 N IY0\n")
    wav = tmp_path / "out.wav"
    words = ["speak", voice, "Pony.", "-o", wav, "--max-seconds", "0.1", "--retries", "0"]
    how = ["--dictionary", tmp_path / "mine.txt", "--speed", "0.5", "--pause", "2"]
    assert main([*map(str, [*words, *how])]) == 0
    assert "no dictionary" not in capsys.readouterr().err
    (tmp_path / "bad.txt").write_text("PONY  P OW1\nBEE  B IY8\n")
    assert "bad.txt, line 2" in refused(capsys, *words, "--dictionary", tmp_path / "bad.txt")
    assert "no vocoder 'kazoo'" in refused(capsys, *words, "--vocoder", "kazoo")


def test_a_damaged_best_model_is_no_reason_to_be_silent(voice, tmp_path, capsys):
    (voice / "best_model").write_bytes(b"torn")
    wav = tmp_path / "out.wav"
    words = ["speak", voice, "Cake.", "-o", wav, "--max-seconds", "0.1", "--retries", "0"]
    assert main([*map(str, words)]) == 0
    said = capsys.readouterr()
    assert "best_model" in said.err and "current_model speaks instead" in said.err
    assert "current_model (step" in said.out


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


def test_options_reach_the_run(fake_dataset, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(training_module, "train", taking_notes(seen))
    words = ["train", str(fake_dataset), str(tmp_path), *TINY, "--max-gaf", "0.25", "--mmi", "no"]
    assert main([*words, "--set", "learning_rate=1e-4", "--set", "seed = 7"]) == 0
    config = seen[0][2]
    assert (config.train.max_gaf, config.train.mmi, config.train.batch_size) == (0.25, False, 4)
    assert (config.train.learning_rate, config.train.seed) == (1e-4, 7)
    assert config.model.attention_rnn_dim == 48


@pytest.mark.parametrize("folders", [["a"], ["a", "b", "c"]])
def test_the_last_folder_is_the_run(monkeypatch, folders):
    seen = []
    monkeypatch.setattr(training_module, "train", taking_notes(seen))
    assert main(["train", *folders, "run", *TINY]) == 0
    assert seen[0][0] == [Path(folder) for folder in folders]
    assert seen[0][1].folder == Path("run")


@pytest.mark.parametrize(
    ("free", "forced", "verdict"),
    [(1.0, 1.0, ": aligned, voice"), (0.1, 1.0, ": aligned only when fed"), (0.1, 0.1, "not al")],
)
def test_a_validation_is_two_short_lines(free, forced, verdict):
    scores = [AlignmentScore(0.62, share, 0.99, 1.2, 0.12, 1.0, 0.99) for share in (forced, free)]
    first, second = validation_lines(
        Validation(123_456, 10.412, *scores, 1.0, 0.63, 5.0, 1.0, 30.0, None)
    )
    assert first.startswith("validation at step 123,456: ") and verdict in first
    assert "voice 0.63 of 1" in first and f"coverage {free:.2f}" in second
    assert len(first) <= 100 and len(second) <= 100


# Settings that cannot be


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "batchsize=4"], "batch_size"),
        (["--set", "learning_rat=4"], "learning_rate"),
        (["--set", "seed"], "name=value"),
        (["--set", "seed=many"], "seed.*whole number"),
        (["--set", "seed=3", "--seed", "4"], "seed.*twice"),
        (["--set", "drop_frame_rate=2"], "drop_frame_rate"),
        (["--head", "big"], "mmi"),
        (["--encoder-kernel-size", "4"], "odd"),
        (["--device", "toaster"], "toaster"),
        (["--cleaner", "spanish"], "spanish"),
    ],
)
def test_a_setting_that_cannot_be(fake_dataset, tmp_path, capsys, words, said):
    line = refused(capsys, "train", fake_dataset, tmp_path / "run", "--preset", "tiny", *words)
    assert re.search(said, line)
    assert not (tmp_path / "run").exists()


def test_an_option_twice_in_set_is_an_error_or_the_last(fake_dataset, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(training_module, "train", taking_notes(seen))
    main(["train", "data", "run", *TINY, "--set", "seed=3", "--set", "seed=4"])
    assert seen[0][2].train.seed == 4


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--speed", "0", "--speed: '0' cannot be: give a number from 0.5 to 2"),
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
def test_a_way_of_speaking_that_cannot_be_is_said_before_loading(
    capsys, monkeypatch, option, value, said
):
    monkeypatch.setitem(
        sys.modules, "ponytaco.synthesis.voice", None
    )  # not even the program's part
    assert said in misused(capsys, "speak", "nobody", "Hi.", option, value)


def test_limits_of_the_command_line_are_those_of_the_delivery():
    for name, (low, high) in LIMITS.items():
        for value in (low, high):
            assert getattr(SpeechOptions(**{name: value}), name) == value


def test_a_vocoder_that_is_not_there_is_said_before_the_voice(tmp_path, capsys):
    words = ["speak", tmp_path / "nobody", "Hi.", "-o", tmp_path / "x.wav", "--vocoder", "kazoo"]
    assert "no vocoder 'kazoo'" in refused(capsys, *words)


def parsers():
    (commands,) = [a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return commands.choices.items()


def test_every_value_has_one_of_few_names():
    known = {"FILE", "FOLDER", "NAME", "N", "X", "TEXT", "TYPE", "KIND", "BOOL", "NAME=VALUE",
             "VOICE", "RUN", "DATASET"}  # fmt: skip
    for name, parser in parsers():
        for action in parser._actions:
            if action.nargs == 0:
                continue
            assert action.metavar in known, (name, action.option_strings, action.metavar)
            if "--out" in action.option_strings:
                assert action.option_strings == ["-o", "--out"], name


@pytest.mark.parametrize(
    "words",
    [
        ["train", "data", "run", "--preset", "huge"],
        ["train", "data", "run", "--nonsense", "3"],
        ["speak", "run"],
        ["speak", "run", "Hi.", "--gate-threshold", "2"],
        ["speak", "run", "Hi.", "--gate-threshold", "much"],
        ["speak", "run", "Hi.", "--max-seconds", "-1"],
        ["speak", "run", "Hi.", "--max-seconds", "inf"],
        ["speak", "run", "Hi.", "--file", "lines.txt", "--out-dir", "out"],
        ["speak", "run", "--file", "lines.txt"],
        ["speak", "run", "--file", "lines.txt", "--out-dir", "out", "-o", "out.wav"],
        ["speak", "run", "Hi.", "--out-dir", "out"],
        ["sing", "run"],
        [],
    ],
)
def test_words_that_cannot_be(capsys, words):
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "_rate" not in said and "_positive" not in said  # our functions' names help nobody


def test_an_error_of_train_does_not_show_all_settings(capsys):
    with pytest.raises(SystemExit):
        main(["train", "data"])
    said = capsys.readouterr().err
    assert said.count("\n") == 2 and "train DATASET [DATASET ...] RUN [options]" in said
    assert "--help lists them" in said and "required: RUN" in said


def test_an_unknown_preset_lists_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["train", "data", "run", "--preset", "huge"])
    said = capsys.readouterr().err
    assert all(name in said for name in PRESETS)


# Bad input: one sentence, nothing half-written


@pytest.mark.parametrize("what", ["missing", "empty", "a file"])
def test_a_folder_that_is_no_dataset(tmp_path, capsys, what):
    folder = tmp_path / "data"
    if what == "empty":
        folder.mkdir()
    elif what == "a file":
        folder.write_text("hello")
    said = refused(capsys, "train", folder, tmp_path / "run", *TINY)
    assert "not a dataset folder" in said and "data_prep" in said
    assert not (tmp_path / "run").exists()


def test_a_run_that_cannot_be_made(fake_dataset, tmp_path, capsys):
    (tmp_path / "run").write_text("I am a file")
    assert "folder" in refused(capsys, "train", fake_dataset, tmp_path / "run", *TINY)


def test_a_checkpoint_of_another_size(fake_dataset, voice, capsys):
    before = files(voice), (voice / "config.json").read_text()
    said = refused(capsys, "train", fake_dataset, voice, "--preset", "small", "--device", "cpu")
    assert "symbols_embedding_dim=32" in said and "128" in said
    assert "the preset it began with, tiny, or another folder" in said
    assert (files(voice), (voice / "config.json").read_text()) == before


def test_a_broken_checkpoint(fake_dataset, voice, capsys, tmp_path):
    for path in (voice / "current_model", voice / "best_model", *(voice / "saves").glob("step*")):
        path.write_bytes(path.read_bytes()[:5000])
    assert "current_model" in refused(capsys, "train", fake_dataset, voice, *TINY)
    wav = tmp_path / "out.wav"
    assert "best_model" in refused(capsys, "speak", voice, "Cake.", "-o", wav)
    assert "best_model" in refused(capsys, "evaluate", voice)
    assert not wav.exists()


def test_weights_that_contradict_their_settings(voice, capsys, tmp_path):
    checkpoint = load_checkpoint(voice / "best_model")
    checkpoint.config = checkpoint.config.replace(attention_rnn_dim=24)
    shutil.rmtree(voice)
    voice.mkdir()
    save_checkpoint(voice / "best_model", checkpoint)
    wav = tmp_path / "out.wav"
    assert "do not fit" in refused(capsys, "speak", voice, "Cake.", "-o", wav)
    assert not wav.exists()


def test_a_warm_start_that_is_not_there(fake_dataset, tmp_path, capsys):
    words = ["train", fake_dataset, tmp_path / "run", *TINY, "--warm-start", tmp_path / "none.pt"]
    said = refused(capsys, *words)
    assert f"nothing at {tmp_path / 'none.pt'}" in said and "ponytaco fetch tacotron2" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["", "  ", "?!"])
def test_nothing_to_say(voice, tmp_path, capsys, text):
    wav = tmp_path / "out.wav"
    assert "words" in refused(capsys, "speak", voice, text, "-o", wav)
    assert not wav.exists()


def test_a_folder_without_a_voice(tmp_path, capsys):
    wav = tmp_path / "out.wav"
    assert "ponytaco train" in refused(capsys, "speak", tmp_path, "Cake.", "-o", wav)
    for words in (
        ["speak", tmp_path / "nobody", "Cake.", "-o", wav],
        ["evaluate", tmp_path / "nobody"],
        ["export", tmp_path / "nobody", "--show"],
        ["mels", tmp_path / "nobody"],
        ["movie", tmp_path / "nobody"],
    ):
        said = refused(capsys, *words)
        assert f"nothing at {tmp_path / 'nobody'}. Check the name" in said
        assert "ponytaco train DATASET" in said
    assert "ponytaco train" in refused(capsys, "evaluate", tmp_path)
    assert files(tmp_path) == []


def test_a_wav_that_cannot_be_written(voice, tmp_path, capsys):
    for name, what in (
        ("no such folder/out.wav", "no such folder"),
        ("out.mp3", "ffmpeg -i out.wav out.mp3"),
        ("", "is a folder"),
    ):
        said = refused(capsys, "speak", voice, "Cake.", "-o", tmp_path / name)
        assert what in said and "tmp." not in said.replace(str(tmp_path), "")


def test_a_disk_that_refuses_is_named_without_our_temporary_file(tmp_path):
    with pytest.raises(AudioError, match="No such file") as error:
        save_wav(tmp_path / "gone" / "out.wav", torch.zeros(10), 22_050)
    assert "/.out.wav" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "said"), [("picture.jpg", "picture.png"), ("nowhere/picture.png", "no folder")]
)
def test_a_picture_that_cannot_be_is_said_before_the_work(tmp_path, capsys, name, said):
    assert said in misused(capsys, "speak", "nobody", "Cake.", "--picture", tmp_path / name)


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("where", ["torch.save", "os.replace", "os.fsync"])
def test_a_full_disk_while_training(
    trained_run, fake_dataset, tmp_path, capsys, monkeypatch, where
):
    # trained_run has made the mel cache, so that the checkpoint is the first that does not fit
    monkeypatch.setattr(training_module, "save_pictures", lambda *args: None)
    module, name = where.split(".")
    monkeypatch.setattr({"torch": torch, "os": os}[module], name, no_space)
    words = ["train", fake_dataset, tmp_path / "run", *TINY, "--max-steps", "1"]
    said = refused(capsys, *words)
    assert "No space left" in said and str(tmp_path / "run") in said
    assert not Run(tmp_path / "run").resumable
    assert not [name for name in files(tmp_path) if "current" in name or "/." in name]


def test_a_full_disk_while_speaking(voice, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "speech"
    folder.mkdir()
    (folder / "out.wav").write_bytes(b"the last one")
    monkeypatch.setattr(os, "replace", no_space)
    words = ["speak", voice, "Cake.", "-o", folder / "out.wav", "--max-seconds", "0.1"]
    assert "No space left" in refused(capsys, *words)
    assert files(folder) == ["out.wav"]
    assert (folder / "out.wav").read_bytes() == b"the last one"


def test_an_interrupt_while_loading_is_no_traceback(fake_dataset, tmp_path, capsys, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(training_module, "open_datasets", interrupt)
    assert main(["train", str(fake_dataset), str(tmp_path / "run"), *TINY]) == 130
    assert capsys.readouterr().err == "ponytaco: interrupted.\n"


# Help


def test_the_help_has_every_setting_and_its_doc(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--help"])
    assert exit_.value.code == 0
    said = capsys.readouterr().out
    for name, _, default, doc in describe():
        assert "--" + name.replace("_", "-") in said
        assert f"{doc} ({default})" in said


def test_the_help_says_what_each_preset_is_for(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    said = capsys.readouterr().out
    assert PRESET_DOCS.keys() == PRESETS.keys()
    assert all(f"{name}: {doc}" in said for name, doc in PRESET_DOCS.items())


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["train", "data", "run"], "ponytaco.training.loop.train"),
        (["speak", "voice", "Hello."], "ponytaco.synthesis.voice.Voice"),
        (["evaluate", "run"], "ponytaco.evaluation.evaluate.evaluate"),
        (["export", "run", "--to", "bundle"], "ponytaco.export.bundle.export_bundle"),
        (["movie", "run"], "ponytaco.runs.movie.make_movie"),
        (["fetch", "hifigan"], "ponytaco.io.pretrained.fetch"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_bug_keeps_its_traceback(words, place, bug, monkeypatch, capsys):
    def fail(*_, **__):
        raise bug

    monkeypatch.setattr(place, fail)
    with pytest.raises(type(bug)) as raised:
        main(words)
    assert raised.value is bug
    assert capsys.readouterr().err == ""


def test_the_help_has_the_commands(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in ("train", "speak", "evaluate"))


def test_help_and_errors_do_not_wait_for_torch():
    code = (
        "import sys; from ponytaco.cli import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'librosa', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported: {slow}' if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "ponytaco", "--version"], capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.startswith("ponytaco ")


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


def test_options_may_stand_before_the_text(voice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["speak", str(voice), "--max-seconds", "0.1", "-o", "a.wav", "Bad day."]) == 0
    assert (tmp_path / "a.wav").is_file()


def test_an_unknown_option_is_named(capsys):
    for words in (["speak", "runs/Zecora", "Hello.", "--loud"], ["movie", "runs/Zecora", "more"]):
        with pytest.raises(SystemExit):
            main(words)
        assert f"unrecognized arguments: {words[-1]}" in capsys.readouterr().err


@pytest.mark.parametrize("n_bytes", [0, 5_000])
@pytest.mark.parametrize(
    "words",
    [
        ["speak", "{}", "Hi."],
        ["export", "{}", "--show"],
        ["train", "{data}", "new", "--preset", "tiny", "--warm-start", "{}"],
    ],
)
def test_a_shared_voice_that_came_damaged(
    words, n_bytes, trained_run, fake_dataset, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    voice = tmp_path / "Zecora.voice"
    voice.write_bytes(trained_run.run.best_model.read_bytes()[:n_bytes])
    assert main([word.format(voice, data=fake_dataset) for word in words]) == 1
    said = capsys.readouterr()
    assert str(voice) in said.err and said.err.count("Download or copy it again.") == 1
    assert "folder" not in said.err and "GPU" not in said.out
