import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.golden_states import GOLDEN_SIZES, golden_state

from ponytaco.checkpoint.format import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    new_model,
    save_checkpoint,
)
from ponytaco.checkpoint.warm_start import warm_start
from ponytaco.cli import main
from ponytaco.config import Config
from ponytaco.export import standalone_speak
from ponytaco.export.bundle import ExportError, export_bundle
from ponytaco.export.card import NO_LICENCE, card_text, model_card, voice_name
from ponytaco.export.nvidia import export_nvidia
from ponytaco.export.standalone_speak import Programs
from ponytaco.export.torch_export import export_programs
from ponytaco.formatting import file_size
from ponytaco.metrics.attention_errors import may_stop_from
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.runs.state import RunState
from ponytaco.synthesis.voice import Voice
from ponytaco.text.encode import ids_to_text, spoken_symbols
from ponytaco.text.symbols import CTC_SYMBOLS, NVIDIA_SYMBOLS, SYMBOLS
from ponytaco.training.loop import train

PLAIN = golden_state("plain")


def plain_checkpoint(symbols=NVIDIA_SYMBOLS, state=PLAIN, **changes):
    config = Config().replace(**{**GOLDEN_SIZES["plain"], **changes})
    return Checkpoint(
        config, dict(state), list(symbols), list(CTC_SYMBOLS), torch.zeros(80),
        run_state=RunState(step=70),
    )  # fmt: skip


def saved(path, checkpoint):
    save_checkpoint(path, checkpoint)
    return path


# A bundle


@pytest.fixture(scope="module")
def bundle(trained_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "Beeps.voice"
    export_bundle(trained_run.run.folder, path, licence="CC0", note="made of beeps")
    return path


def test_a_bundle_speaks_as_the_voice_does(bundle, trained_run):
    voice, shared = Voice(trained_run.run.folder), Voice(bundle)
    mel, shared_mel = (
        v.speak("Bad day.", max_seconds=0.4).sentences[0].mel for v in (voice, shared)
    )
    assert mel.shape == shared_mel.shape
    assert abs(mel - shared_mel).max() < 0.05  # half precision
    assert (shared.step, shared.audio) == (voice.step, voice.audio)


def test_a_bundle_has_what_speaking_needs_and_nothing_of_this_machine(bundle, trained_run):
    run = trained_run.run
    source, loaded = load_checkpoint(run.best_model), load_checkpoint(bundle)
    raw = torch.load(bundle, weights_only=True)
    matrices = {value.dtype for value in raw["state_dict"].values() if value.dim() > 1}
    assert matrices == {torch.float16}
    assert raw["state_dict"]["postnet.convolutions.0.1.running_var"].dtype is torch.float32
    for name, value in loaded.state_dict.items():
        assert value.dtype == source.state_dict[name].dtype
        torch.testing.assert_close(value, source.state_dict[name], rtol=1e-3, atol=1e-4)
    for name in ("config", "symbols", "ctc_symbols", "lexicon"):
        assert getattr(loaded, name) == getattr(source, name), name
    for name in ("trained", "optimizer", "scaler", "sampler", "rng", "fingerprint", "dataset"):
        assert not getattr(loaded, name), name
    assert str(run.folder.parent) not in str({k: v for k, v in raw.items() if k != "state_dict"})
    assert bundle.stat().st_size < run.best_model.stat().st_size / 3


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


def test_a_voice_that_cannot_read_yet_is_exported_with_a_warning(tmp_path, capsys):
    voice = saved(tmp_path / "voice", plain_checkpoint())
    for kind, name in (("bundle", "x.voice"), ("torch-export", "programs")):
        assert main(["export", str(voice), "--to", kind, "-o", str(tmp_path / name)]) == 0
        said = capsys.readouterr().out
        assert said.count("Mind: This voice has not learnt to read yet (step ") == 1
    checkpoint = plain_checkpoint()
    for since, n_remarks in ((None, 1), (60, 0)):
        checkpoint.run_state.aligned_since = since
        exported = export_nvidia(saved(tmp_path / "m", checkpoint), tmp_path / f"{since}.pt")
        assert sum("not learnt" in remark for remark in exported.remarks) == n_remarks


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


def test_a_bundle_of_a_bundle_keeps_its_card(bundle, tmp_path):
    export_bundle(bundle, tmp_path / "again.voice", note="a copy")
    first, again = load_checkpoint(bundle), load_checkpoint(tmp_path / "again.voice")
    assert again.card == {**first.card, "note": "a copy"}
    assert all(torch.equal(v, again.state_dict[k]) for k, v in first.state_dict.items())


def test_no_run_goes_on_from_a_bundle(bundle, fake_dataset, trained_run, tmp_path):
    run = Run(tmp_path / "run")
    run.prepare()
    shutil.copy(bundle, run.current_model)
    with pytest.raises(CheckpointError, match="voice to share.*--warm-start"):
        train(fake_dataset, run, trained_run.config, log=lambda _: None)


def test_a_bundle_can_begin_another_run(bundle, trained_run):
    model = new_model(trained_run.config)
    report = warm_start(model, SYMBOLS, bundle)
    assert not report.left and not report.fresh and not report.mapped
    theirs = load_checkpoint(bundle).state_dict
    assert all(torch.equal(v, theirs[k]) for k, v in model.state_dict().items())


def test_weights_beyond_half_precision_stay_as_they_are(tmp_path):
    checkpoint = plain_checkpoint()
    checkpoint.state_dict["embedding.weight"] = PLAIN["embedding.weight"] * 0 + 1e6
    export_bundle(saved(tmp_path / "model", checkpoint), tmp_path / "x.voice")
    assert (load_checkpoint(tmp_path / "x.voice").state_dict["embedding.weight"] == 1e6).all()


@pytest.mark.parametrize("card", [7, {"a": [1]}, {3: "x"}, {"a": {"b": torch.zeros(1)}}])
def test_a_card_of_another_kind_is_damage(tmp_path, card):
    save_checkpoint(tmp_path / "x.voice", plain_checkpoint())
    content = torch.load(tmp_path / "x.voice", weights_only=True)
    torch.save({**content, "card": card}, tmp_path / "x.voice")
    with pytest.raises(CheckpointError, match="its card"):
        load_checkpoint(tmp_path / "x.voice")


def test_nothing_is_written_over(bundle, tmp_path):
    before = bundle.read_bytes()
    for export in (export_bundle, export_nvidia, export_programs):
        with pytest.raises(ExportError, match="there already"):
            export(bundle, bundle)
    assert bundle.read_bytes() == before


def test_a_voice_is_called_after_its_run_or_its_file(tmp_path):
    run = Run(tmp_path / "Zecora")
    run.prepare()
    assert voice_name(run.folder) == voice_name(run.best_model) == "Zecora"
    assert voice_name(tmp_path / "Rarity.voice") == "Rarity"


# NVIDIA's layout


@pytest.mark.parametrize("through", ["their own symbols", "a warm start"])
def test_nvidias_weights_come_back_bit_for_bit(tmp_path, through):
    if through == "a warm start":
        torch.save({"state_dict": PLAIN}, tmp_path / "nvidia.pt")
        model = new_model(Config().replace(**GOLDEN_SIZES["plain"]))
        warm_start(model, SYMBOLS, tmp_path / "nvidia.pt")
        checkpoint = plain_checkpoint(SYMBOLS, model.state_dict())
    else:
        checkpoint = plain_checkpoint()
        checkpoint.build_model()  # they are our model's
    exported = export_nvidia(saved(tmp_path / "model", checkpoint), tmp_path / "out.pt")
    content = torch.load(tmp_path / "out.pt", weights_only=True)
    assert set(content) == {"iteration", "state_dict", "optimizer", "learning_rate"}
    assert content["iteration"] == 70
    assert set(content["state_dict"]) == set(PLAIN)
    for name, value in PLAIN.items():
        theirs = content["state_dict"][name]
        assert theirs.dtype == value.dtype and torch.equal(theirs, value), name
    said = " ".join(exported.remarks)
    assert ("31 signs" in said and "☻" in said) == (through == "a warm start")
    assert "attention_rnn_dim=32" in said and "hparams.py" in said


def new_checkpoint(name):
    state = new_model(preset(name)).state_dict()
    return Checkpoint(preset(name), state, SYMBOLS, CTC_SYMBOLS, torch.zeros(80))


def test_it_goes_on_training_with_adam(tmp_path):
    checkpoint = plain_checkpoint()
    export_nvidia(saved(tmp_path / "model", checkpoint), tmp_path / "out.pt")
    content = torch.load(tmp_path / "out.pt", weights_only=True)
    model = checkpoint.build_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0)
    optimizer.load_state_dict(content["optimizer"])
    assert optimizer.param_groups[0]["lr"] == content["learning_rate"] == 1e-3


def test_signs_that_were_learnt_are_named(tmp_path):
    data = tmp_path / "data"
    (data / "wavs").mkdir(parents=True)
    for name, text in (("train", "☻ Hello."), ("val", "Bye.")):
        (data / f"{name}.txt").write_text(f"wavs/{name}.wav|{text}\n", encoding="utf-8")
        (data / "wavs" / f"{name}.wav").write_bytes(b"")
    state = {**PLAIN, "embedding.weight": torch.zeros(179, 24)}
    checkpoint = dataclasses.replace(plain_checkpoint(SYMBOLS, state), dataset=str(data))
    exported = export_nvidia(saved(tmp_path / "model", checkpoint), tmp_path / "out.pt")
    assert any("learnt ☻," in remark for remark in exported.remarks)


@pytest.mark.parametrize(
    ("checkpoint", "said"),
    [
        (lambda: new_checkpoint("tiny"),
         "head 'mmi'.*--to bundle.*--preset tiny --head plain --n-frames-per-step 1 --warm-start"),
        (lambda: new_checkpoint("full"), "--preset warm --head plain"),
        (lambda: plain_checkpoint(state=new_model(
            Config().replace(**{**GOLDEN_SIZES["plain"], "n_frames_per_step": 2}), NVIDIA_SYMBOLS
        ).state_dict(), n_frames_per_step=2),
         "2 frames a step.*--set .*=.* --n-frames-per-step 1 --warm-start"),
        (lambda: plain_checkpoint(["_", "a"], {**PLAIN, "embedding.weight": torch.zeros(2, 24)}),
         "does not know 146 of NVIDIA's 148"),
    ],
)  # fmt: skip
def test_what_nvidias_code_cannot_hold_is_refused_with_what_to_do(tmp_path, checkpoint, said):
    path = saved(tmp_path / "model", checkpoint())
    with pytest.raises(ExportError, match=said):
        export_nvidia(path, tmp_path / "out.pt")
    assert not (tmp_path / "out.pt").exists()


# Programs


@pytest.mark.parametrize(("head", "gate"), [("plain", -4), ("mmi", -4), ("mmi", 9)])
def test_programs_speak_as_the_model_does(tmp_path, head, gate):
    torch.manual_seed(1)
    config = preset("tiny").replace(head=head, p_prenet_dropout=0.0)
    model = new_model(config)
    for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)):
        norm.running_mean.normal_()
    torch.nn.init.constant_(model.decoder.gate_layer.linear_layer.bias, gate)
    checkpoint = Checkpoint(config, model.state_dict(), SYMBOLS, CTC_SYMBOLS, torch.zeros(80))
    export_programs(saved(tmp_path / "model", checkpoint), tmp_path / "programs")
    programs = Programs.load(tmp_path / "programs")
    for text in ("hello", "good day to all"):
        ids = [SYMBOLS.index(sign) for sign in text]
        end = may_stop_from(spoken_symbols(ids))
        out, lengths = model.eval().infer(
            torch.tensor([ids]), torch.tensor([len(ids)]), 12, may_stop_from=torch.tensor([end])
        )
        mel = programs.speak(ids, max_frames=12)
        torch.testing.assert_close(
            mel, out.mel_postnet[:, :, : int(lengths[0])], rtol=1e-4, atol=1e-4
        )
    table = json.loads((tmp_path / "programs" / "voice.json").read_text(encoding="utf-8"))
    assert table["symbols"] == list(SYMBOLS) and table["sample_rate"] == 22_050


@given(st.lists(st.booleans()))
def test_the_programs_stop_by_the_voices_rule(spoken):
    """standalone_speak.py runs without ponytaco, so it holds the rule a second time."""
    assert standalone_speak.may_stop_from(spoken) == may_stop_from(spoken)


def test_the_programs_are_spoken_with_by_torch_alone(tmp_path):
    config = preset("tiny")
    lexicon = {"hello": "HH AH0 L OW1"}
    state = new_model(config).state_dict()
    checkpoint = Checkpoint(config, state, SYMBOLS, CTC_SYMBOLS, torch.zeros(80), lexicon)
    exported = export_programs(saved(tmp_path / "model", checkpoint), tmp_path / "programs")
    programs = Programs.load(tmp_path / "programs")
    assert ids_to_text(programs.read("Hello_ Bo, {B OW1}ÿ!")) == "{HH AH0 L OW1} bo, {B OW1}!"
    script = tmp_path / "programs" / "speak.py"
    assert f'python {script} "' in exported.remarks[0]
    # As where ponytaco is not installed.
    alone = tmp_path / "alone.py"
    alone.write_text(
        "import runpy, sys\nsys.modules['ponytaco'] = None\n"
        "del sys.argv[0]\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, alone, script, "Hello.", "mel.npy"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    mel = np.load(tmp_path / "mel.npy")
    assert mel.shape[0] == 80 and f"{mel.shape[1]} frames of 80 mels" in done.stdout


def test_programs_that_compute_something_else_are_refused(tmp_path, monkeypatch):
    checkpoint = Checkpoint(
        preset("tiny"), new_model(preset("tiny")).state_dict(), SYMBOLS, CTC_SYMBOLS,
        torch.zeros(80),
    )  # fmt: skip
    original = torch.export.load

    def wrong(path):
        program = original(path)
        for value in program.state_dict.values():
            value += 1
        return program

    monkeypatch.setattr(torch.export, "load", wrong)
    with pytest.raises(ExportError, match="exported encoder differs"):
        export_programs(saved(tmp_path / "model", checkpoint), tmp_path / "programs")


# The command


def test_the_command_makes_a_bundle_and_shows_its_card(trained_run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = str(trained_run.run.folder)
    assert main(["export", folder, "--to", "bundle", "--licence", "CC BY 4.0"]) == 0
    said = capsys.readouterr().out
    path = tmp_path / f"{trained_run.run.folder.name}.voice"
    assert path.is_file() and f"{path.name}: {file_size(path.stat().st_size)}, from " in said
    assert "CC BY 4.0" in said
    assert main(["export", "--show", str(path)]) == 0
    assert "CC BY 4.0" in capsys.readouterr().out
    assert main(["export", folder, "--show"]) == 0
    assert NO_LICENCE in capsys.readouterr().out
    words = ["speak", str(path), "Bad day.", "-o", "out.wav", "--max-seconds", "0.2"]
    assert main(words) == 0
    assert main(["export", folder, "--to", "nvidia"]) == 1
    assert "head 'mmi'" in capsys.readouterr().err


def test_the_command_writes_nvidias_layout(tmp_path, capsys):
    path = saved(tmp_path / "model", plain_checkpoint())
    assert main(["export", str(path), "--to", "nvidia", "-o", str(tmp_path / "x.pt")]) == 0
    said = capsys.readouterr().out
    assert "Mind: It has other sizes" in said and "x.pt" in said
