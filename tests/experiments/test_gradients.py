"""What the losses tell a part of the model: sizes and directions."""

import pytest
import torch

from experiments.gradients import compared, mean_gradients
from ponytaco.checkpoint.format import Checkpoint, new_model
from ponytaco.presets import preset
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS


def test_sizes_and_directions_are_those_of_what_all_losses_train():
    x, y = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    gradients = {
        "synthesis": {"encoder.a": x, "encoder.b": y, "prenet.a": 9 * x, "encoder.mel": x},
        "recogniser": {"encoder.a": 2 * x, "encoder.b": 0 * y, "encoder.mel": x},
        "guidance": {"encoder.a": 0 * x, "encoder.b": -y, "prenet.a": x},
    }
    size, with_factor, *cosines = compared(gradients, ("encoder.",), 0.25)
    assert size == pytest.approx(6 / 5) and with_factor == pytest.approx(1.5 / 5)
    assert cosines == pytest.approx([3 / 5, -4 / 5, 0])


def test_gradients_are_of_the_weights_that_training_goes_on_with(fake_dataset):
    torch.manual_seed(0)
    config = preset("tiny").replace(batch_size=4, device="cpu", drop_frame_rate=0.0)
    trained, averaged = new_model(config), new_model(config)

    def gradients(spoken, learnt, n_batches=1):
        checkpoint = Checkpoint(
            config, spoken, SYMBOLS, CTC_SYMBOLS, torch.zeros(80), trained=learnt
        )
        return mean_gradients(checkpoint, fake_dataset, n_batches)

    first = gradients(averaged.state_dict(), trained.state_dict())
    again = gradients(trained.state_dict(), None)
    assert all(
        torch.equal(first["recogniser"][n], again["recogniser"][n]) for n in again["recogniser"]
    )
    assert not any(name.startswith("postnet") for name in first["recogniser"])
    assert not any(name.startswith("decoder.decoder_rnn") for name in first["guidance"])
    assert all(g.abs().sum() > 0 for g in first["guidance"].values())
    assert torch.isfinite(torch.tensor(compared(first, ("encoder.",), 0.5))).all()
