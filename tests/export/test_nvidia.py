import dataclasses

import pytest
import torch
from support.golden_states import GOLDEN_SIZES, PLAIN, plain_checkpoint, saved

from ponytaco.checkpoint.format import Checkpoint, new_model
from ponytaco.checkpoint.warm_start import warm_start
from ponytaco.cli import main
from ponytaco.config import Config
from ponytaco.export.bundle import ExportError
from ponytaco.export.nvidia import export_nvidia
from ponytaco.presets import preset
from ponytaco.text.symbols import CTC_SYMBOLS, NVIDIA_SYMBOLS, SYMBOLS


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
         "lacks 146 of NVIDIA's 148 symbols: -, .* and 134 more"),
    ],
)  # fmt: skip
def test_what_nvidias_code_cannot_hold_is_refused_with_what_to_do(tmp_path, checkpoint, said):
    path = saved(tmp_path / "model", checkpoint())
    with pytest.raises(ExportError, match=said):
        export_nvidia(path, tmp_path / "out.pt")
    assert not (tmp_path / "out.pt").exists()


def test_the_command_writes_nvidias_layout(tmp_path, capsys):
    path = saved(tmp_path / "model", plain_checkpoint())
    assert main(["export", str(path), "--to", "nvidia", "-o", str(tmp_path / "x.pt")]) == 0
    said = capsys.readouterr().out
    assert "Note: It has other sizes" in said and "x.pt" in said
