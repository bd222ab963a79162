import subprocess
import sys

import pytest
import soundfile
from support.commands import TINY, files, misused, refused
from support.errors import BUGS

from ponytaco.cli import main
from ponytaco.runs.history import read_history


def test_train_resume_speak_evaluate(fake_dataset, tmp_path, capsys, monkeypatch, hasty_vocoder):
    run = tmp_path / "runs" / "Beeps"
    command = ["train", str(fake_dataset), str(run), *TINY, "--validate-every", "10"]
    assert main([*command, "--set", "max_steps=10"]) == 0
    printed = capsys.readouterr()
    assert "11 clips" in printed.out and "step     10" in printed.out
    assert "validation at step 10" in printed.out and "Finished: step 10 of 10.\n" in printed.out
    assert (
        f'Next:  ponytaco speak {run} "' in printed.out
        and f"ponytaco evaluate {run}" in printed.out
    )
    assert printed.out.endswith("the same command with --set max_steps=20\n")
    assert printed.err == ""
    assert main([*command, "--set", "max_steps=12"]) == 0
    assert "Resuming Beeps at step 10" in capsys.readouterr().out
    assert [row["step"] for row in read_history(run / "history.csv")] == [10, 12]

    wav, picture = tmp_path / "out.wav", tmp_path / "out.png"
    words = ["speak", str(run), "Bad day. Bad pony!", "-o", str(wav), "--picture", str(picture)]
    assert main([*words, "--max-seconds", "0.3"]) == 0
    printed = capsys.readouterr()
    assert str(wav) in printed.out and "best_model" in printed.out
    assert "pony" in printed.err and "Traceback" not in printed.err
    assert "ponytaco: This voice has not learnt to read yet (step 1" in printed.err
    assert "focus" not in printed.err and printed.err.count("babble") == 1
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
    printed = capsys.readouterr()
    assert "3 validation clips" in printed.out and "1 new sentences" in printed.out
    assert "ponytaco[evaluate]" in printed.out and "quick.html" in printed.out
    assert (run / "evaluation" / "quick.json").is_file()


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
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    assert "_rate" not in printed and "_positive" not in printed  # our functions' names help nobody


def test_an_unknown_option_is_named(capsys):
    for words in (["speak", "runs/Zecora", "Hello.", "--loud"], ["movie", "runs/Zecora", "more"]):
        with pytest.raises(SystemExit):
            main(words)
        assert f"unrecognized arguments: {words[-1]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["trian", "data", "run"], "train"),
        (["Speak", "run", "Hi."], "speak"),
        (["exprot", "run"], "export"),
        (["fetch", "hifi-gan"], "hifigan"),
        (["fetch", "WaveGlow"], "waveglow"),
        (["train", "data", "run", "--preset", "smal"], "small"),
        (["train", "data", "run", "--learning_rate", "1e-3"], "--learning-rate"),
        (["train", "data", "run", "--learning_rate=1e-3"], "--learning-rate"),
        (["train", "data", "run", "--bacth-size", "4"], "--batch-size"),
        (["speak", "run", "Hi.", "--best_of", "4"], "--best-of"),
        (["speak", "run", "Hi.", "--outdir", "out"], "--out-dir"),
        (["export", "run", "--to", "bundel"], "bundle"),
        (["prepare", "a.tar", "b", "--style_signs"], "--style-signs"),
        (["pack", "a", "b.tar", "--charcter", "Me"], "--character"),
        (["bench", "--preset", "Tiny"], "tiny"),
    ],
)
def test_a_misspelt_word_is_answered_with_what_it_may_mean(capsys, words, meant):
    if words[0] == "pack":
        words = [*words, "--character", "Me"]
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2
    assert f" Did you mean {meant}?" in capsys.readouterr().err


def test_a_word_that_means_nothing_gets_no_guess(capsys):
    for words in (["sing"], ["train", "data", "run", "--zzz", "1"]):
        with pytest.raises(SystemExit):
            main(words)
        assert "Did you mean" not in capsys.readouterr().err


def test_the_voice_comes_first(voice, tmp_path, capsys):
    for words in (["Hello there!", voice], ["Hi.", tmp_path / "Zecora.voice"]):
        printed = misused(capsys, "speak", *words)
        assert f'the voice comes first: ponytaco speak {words[1]} "{words[0]}"' in printed


def test_an_archive_is_no_voice(tmp_path, capsys):
    (tmp_path / "Zecora.tar").write_bytes(b"clips")
    for words in (["speak", "{}", "Hi."], ["export", "{}", "--show"]):
        printed = refused(capsys, *[word.format(tmp_path / "Zecora.tar") for word in words])
        assert "Zecora.tar is an archive of clips, not a voice" in printed
        assert "ponytaco prepare" in printed and "Download" not in printed


@pytest.mark.parametrize("name", ["a.wav", "text.txt", "config.json", "Zecora.zip"])
def test_another_kind_of_file_is_no_voice(tmp_path, capsys, name):
    (tmp_path / name).write_bytes(b"clips")
    for words in (["speak", "{}", "Hi."], ["export", "{}", "--show"], ["evaluate", "{}"]):
        printed = refused(capsys, *[word.format(tmp_path / name) for word in words])
        assert f"{name} is not a voice. Give a run's folder" in printed


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
        printed = refused(capsys, *words)
        assert f"nothing at {tmp_path / 'nobody'}. Check the name" in printed
        assert "ponytaco train DATASET" in printed
    assert "ponytaco train" in refused(capsys, "evaluate", tmp_path)
    assert files(tmp_path) == []


def test_a_broken_checkpoint(fake_dataset, voice, capsys, tmp_path):
    for path in (voice / "current_model", voice / "best_model", *(voice / "saves").glob("step*")):
        path.write_bytes(path.read_bytes()[:5000])
    assert "current_model" in refused(capsys, "train", fake_dataset, voice, *TINY)
    wav = tmp_path / "out.wav"
    assert "best_model" in refused(capsys, "speak", voice, "Cake.", "-o", wav)
    assert "best_model" in refused(capsys, "evaluate", voice)
    assert not wav.exists()


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
    printed = capsys.readouterr()
    assert str(voice) in printed.err and printed.err.count("Download or copy it again.") == 1
    assert "folder" not in printed.err and "GPU" not in printed.out


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


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "ponytaco", "--version"], capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.startswith("ponytaco ")
