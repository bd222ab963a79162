import pytest
import torch

from ponytaco.cli import main
from ponytaco.evaluation import speed
from ponytaco.evaluation.speed import SpeakingSpeed, TrainingSpeed, advice
from ponytaco.losses.guided_attention import attention_targets, guided_attention_loss
from ponytaco.presets import preset
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS

CPU = torch.device("cpu")


def trained(seconds, precision="float32", n_micro_batches=1):
    return TrainingSpeed(precision, seconds, 5, n_micro_batches, None)


def spoke(weight_type, times_real):
    return SpeakingSpeed(weight_type, times_real, 4 * times_real)


def test_the_batch_is_what_training_would_meet():
    config = preset("small").replace(batch_size=6)
    batch = speed.made_up_batch(config, CPU)
    assert batch.text.shape == (6, int(batch.text_lengths.max()))
    assert batch.mel.shape == (6, 80, int(batch.mel_lengths.max()))
    seconds = batch.mel_lengths * config.audio.hop_length / config.audio.sample_rate
    assert float(seconds.mean()) == pytest.approx(4, abs=0.1)
    assert int(batch.text.min()) > 0 and int(batch.text.max()) < len(SYMBOLS)
    assert int(batch.ctc.min()) > 0 and int(batch.ctc.max()) < len(CTC_SYMBOLS)
    n_frames, n_symbols = batch.mel.shape[2], batch.text.shape[1]
    spoken = (torch.arange(n_frames) * n_symbols / n_frames).long()
    diagonal = torch.nn.functional.one_hot(spoken, n_symbols).float().expand(6, -1, -1)
    targets = attention_targets(batch.intervals, batch.mel_lengths, diagonal.shape[1], 1)
    assert guided_attention_loss(diagonal, targets) == 0


def test_training_is_measured_in_each_precision():
    config = preset("tiny").replace(batch_size=2)
    speeds = list(speed.measure_training(config, CPU, seconds=0.01))
    assert [one.precision for one in speeds] == speed.precisions(CPU)
    assert speeds[0].precision == "float32"
    assert all(one.seconds_per_step > 0 and one.n_steps == 1 for one in speeds)
    assert speeds[0].hours(3600) == pytest.approx(speeds[0].seconds_per_step)


def test_the_first_step_does_not_count_where_there_are_others(monkeypatch):
    taken = iter([9.0, 1.0, 2.0, 3.0, 99.0])
    monkeypatch.setattr(speed, "seconds_of", lambda step: next(taken))
    config = preset("tiny").replace(batch_size=2)
    found = next(speed.measure_training(config, CPU, seconds=90.0 * len(speed.precisions(CPU))))
    assert (found.seconds_per_step, found.n_steps) == (2.5, 4)


def test_speaking_is_measured_with_each_type():
    speeds = list(speed.measure_speaking(preset("tiny"), CPU, seconds=0.01))
    assert {"float32", "float16", "bfloat16"} <= {one.weight_type for one in speeds}
    assert all(one.times_real > 0 and one.times_real_batch > 0 for one in speeds)


@pytest.mark.parametrize(
    ("name", "training", "said"),
    [
        ("small", [trained(0.36)], "10,000 steps with 'small' take about 60 min here. A voice"),
        ("small", [trained(0.1)], "about 17 min here"),
        ("full", [trained(60.0)], "6.9 days here: too long. Use --preset small, or a GPU"),
        ("small", [trained(60.0)], "too long. Use a GPU"),
        ("small", [trained(1.0), trained(0.5, "bfloat16")], "Train with --precision bfloat16."),
        ("small", [trained(1.0, n_micro_batches=2)], "a smaller --batch-size helps"),
    ],
)
def test_advice(name, training, said):
    assert said in advice(name, CPU, training, [spoke("float32", 2.0)])


def test_a_small_gain_is_not_worth_a_setting():
    said = advice("small", CPU, [trained(1.0), trained(0.9, "bfloat16")], [spoke("float32", 2.0)])
    assert "precision" not in said


def test_the_command(capsys):
    words = ["bench", "--preset", "tiny", "--batch-size", "2", "--device", "cpu"]
    assert main([*words, "--minutes", "0.005"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert f"torch {torch.__version__}" in said.out
    assert "2 clips of 4 s a step" in said.out and "float32" in said.out
    assert "10,000 steps with 'tiny' take about" in said.out
    assert "times real time" in said.out


def test_a_device_that_is_not_there(capsys):
    assert main(["bench", "--device", "cuda:99"]) == 1
    assert "There is no device 'cuda:99' here" in capsys.readouterr().err
