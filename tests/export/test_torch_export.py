import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.golden_states import saved

from ponytaco.checkpoint.format import Checkpoint, new_model
from ponytaco.export import standalone_speak
from ponytaco.export.bundle import ExportError
from ponytaco.export.standalone_speak import Programs
from ponytaco.export.torch_export import export_programs
from ponytaco.metrics.attention_errors import may_stop_from
from ponytaco.presets import preset
from ponytaco.text.encode import ids_to_text, spoken_symbols
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS


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
