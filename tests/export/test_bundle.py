import shutil

import pytest
import torch
from support.golden_states import PLAIN, plain_checkpoint, saved
from support.tensor_files import content_of

from ponytaco.checkpoint.format import CheckpointError, load_checkpoint, new_model
from ponytaco.checkpoint.warm_start import warm_start
from ponytaco.cli import main
from ponytaco.export.bundle import ExportError, export_bundle
from ponytaco.export.card import NO_LICENCE
from ponytaco.export.nvidia import export_nvidia
from ponytaco.export.torch_export import export_programs
from ponytaco.formatting import file_size
from ponytaco.runs.folder import Run
from ponytaco.synthesis.voice import Voice
from ponytaco.text.symbols import SYMBOLS
from ponytaco.training.loop import train


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
    raw = content_of(bundle)
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


def test_a_voice_that_cannot_read_yet_is_exported_with_a_warning(tmp_path, capsys):
    voice = saved(tmp_path / "voice", plain_checkpoint())
    for kind, name in (("bundle", "x.voice"), ("torch-export", "programs")):
        assert main(["export", str(voice), "--to", kind, "-o", str(tmp_path / name)]) == 0
        said = capsys.readouterr().out
        assert said.count("Note: This voice has not learnt to read yet (step ") == 1
    checkpoint = plain_checkpoint()
    for since, n_remarks in ((None, 1), (60, 0)):
        checkpoint.run_state.aligned_since = since
        exported = export_nvidia(saved(tmp_path / "m", checkpoint), tmp_path / f"{since}.pt")
        assert sum("not learnt" in remark for remark in exported.remarks) == n_remarks


def test_a_bundle_of_a_bundle_keeps_its_card(bundle, tmp_path):
    export_bundle(bundle, tmp_path / "again.voice", note="a copy")
    first, again = load_checkpoint(bundle), load_checkpoint(tmp_path / "again.voice")
    assert again.card == {**first.card, "note": "a copy"}
    assert all(torch.equal(v, again.state_dict[k]) for k, v in first.state_dict.items())


def test_no_run_goes_on_from_a_bundle(bundle, fake_dataset, trained_run, tmp_path):
    run = Run(tmp_path / "run")
    run.prepare()
    shutil.copy(bundle, run.current_model)
    with pytest.raises(CheckpointError, match="shared voice.*--warm-start"):
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


def test_nothing_is_written_over(bundle, tmp_path):
    before = bundle.read_bytes()
    for export in (export_bundle, export_nvidia, export_programs):
        with pytest.raises(ExportError, match="already"):
            export(bundle, bundle)
    assert bundle.read_bytes() == before


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
