import io
import sys

import numpy as np
import pytest
import soundfile

from ponytaco.training import tensorboard
from ponytaco.training.tensorboard import EventLog, TensorBoardError

pytest.importorskip("tensorboard")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return events


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scalars_pictures_and_sound(trained_run, tmp_path):
    log = EventLog(tmp_path / "events")
    for report in trained_run.reports:
        log.on_step(report)
    for validation in trained_run.validations:
        log.on_validation(validation)
    log.close()
    events = read(tmp_path / "events")
    losses = events.Scalars("training/loss")
    assert [e.step for e in losses] == [report.step for report in trained_run.reports]
    assert losses[0].value == pytest.approx(trained_run.reports[0].losses["loss"])
    assert [e.step for e in events.Scalars("validation/free_focus")] == [30, 60]
    image = events.Images("validation")[-1]
    assert image.step == 60 and image.width > 500
    assert image.encoded_image_string.startswith(b"\x89PNG")
    sounds = events.Audio("validation")
    assert [sound.step for sound in sounds] == [30, 60]
    wanted, rate = soundfile.read(io.BytesIO(trained_run.validations[-1].sample))
    spoken, their_rate = soundfile.read(io.BytesIO(sounds[-1].encoded_audio_string))
    assert their_rate == rate == sounds[-1].sample_rate
    np.testing.assert_allclose(spoken, wanted, rtol=0, atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_only_closed_files_are_copied_and_not_often(trained_run, tmp_path):
    clock, copies = Clock(), tmp_path / "drive"
    log = EventLog(tmp_path / "events", copies, clock)
    log.on_step(trained_run.reports[0])
    log.on_validation(trained_run.validations[0])
    assert not copies.exists()
    clock.now = 3600.0
    log.on_validation(trained_run.validations[1])
    assert len(list(copies.iterdir())) == 1
    log.on_step(trained_run.reports[1])
    log.close()
    assert len(read(copies).Scalars("training/loss")) == 2
    local = {p.name: p.stat().st_size for p in (tmp_path / "events").iterdir()}
    assert {p.name: p.stat().st_size for p in copies.iterdir()} == local


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_drive_that_is_full_does_not_stop_the_training(
    trained_run, tmp_path, monkeypatch, capsys
):
    def full(source, target):
        raise OSError(28, "No space left on device")

    log = EventLog(tmp_path / "events", tmp_path / "drive")
    log.on_step(trained_run.reports[0])
    monkeypatch.setattr(tensorboard.shutil, "copyfile", full)
    log.close()
    assert "No space left" in capsys.readouterr().out


def test_without_the_package_the_error_tells_how_to_install_it(trained_run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(TensorBoardError, match=r"pip install ponytaco\[tensorboard\]"):
        EventLog(tmp_path)
