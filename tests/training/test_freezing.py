import pytest
import torch

from ponytaco.checkpoint.format import load_checkpoint, new_model
from ponytaco.config import TrainConfig
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.runs.state import RunState
from ponytaco.training.freezing import freeze
from ponytaco.training.loop import train

ENCODER = ("embedding.", "encoder.")
ATTENTION = ("decoder.attention_rnn.", "decoder.attention_layer.")


def moved(before, after):
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@pytest.mark.parametrize(
    ("encoder_steps", "attention_steps"), [(0, 0), (2, 0), (0, 2), (2, 1)]
)  # fmt: skip
def test_frozen_layers_do_not_change_until_their_steps_are_over(encoder_steps, attention_steps):
    model = new_model(preset("tiny"))
    # A weight decay moves whatever has a gradient, even one of zero.
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, weight_decay=0.1)
    run_state = RunState()
    settings = TrainConfig(
        freeze_encoder_steps=encoder_steps, freeze_attention_steps=attention_steps
    )
    freeze(model, optimizer, settings, run_state)
    for step in range(3):
        run_state.step = step
        before = {name: value.detach().clone() for name, value in model.named_parameters()}
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        changed = moved(before, dict(model.named_parameters()))
        frozen = (ENCODER if step < encoder_steps else ()) + (
            ATTENTION if step < attention_steps else ()
        )
        assert changed == {name for name in before if not name.startswith(frozen or ("-",))}


def test_training_changes_frozen_layers_only_afterwards(
    fake_dataset, tmp_path, no_pictures, trained_run
):
    config = trained_run.config.replace(freeze_encoder_steps=2, gaf_every=2)
    source = load_checkpoint(trained_run.run.best_model).state_dict
    run, learnt = Run(tmp_path / "run"), set()
    for steps in (2, 3):
        train(
            fake_dataset, run, config.replace(max_steps=steps, validate_every=1),
            warm_start_from=trained_run.run.folder, log=lambda _: None,
        )  # fmt: skip
        state = load_checkpoint(run.current_model).state_dict
        learnt = {n for n in moved(source, state) if "running_" not in n and "tracked" not in n}
        assert any(name.startswith(ENCODER) for name in learnt) == (steps > 2)
        assert any(name.startswith(ATTENTION) for name in learnt)
        assert any(name.startswith("decoder.decoder_rnn") for name in learnt)
