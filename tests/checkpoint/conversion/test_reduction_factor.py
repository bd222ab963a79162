import pytest
import torch

from ponytaco.checkpoint.conversion.reduction_factor import set_frames_per_step
from ponytaco.checkpoint.format import new_model
from ponytaco.presets import preset
from ponytaco.training.optimizer import make_optimizer

CONFIG = preset("tiny").replace(p_prenet_dropout=0.0)
# Of the output layers, what makes mels, gates and the recogniser's signs.
OUTPUTS = ("mel_layer.3", "decoder.linear_projection.linear_layer", "gate_layer", "ctc_proj")


def model_with(r, head="mmi"):
    torch.manual_seed(r)
    return new_model(CONFIG.replace(n_frames_per_step=r, head=head)).eval()


def is_output(name, head):
    return any(part in name for part in OUTPUTS) and (head == "mmi" or "mel_layer" not in name)


def outputs_of(model, features):
    """Mel, gate and log-probabilities, each (S, r, …)."""
    hidden, mel, gate = model.decoder.project(features)
    signs = []
    if model.mi is not None:
        log_probs = model.mi(hidden.permute(1, 2, 0)).transpose(0, 1)
        signs = [log_probs]
    return [value.unflatten(0, (len(features), -1)) for value in (mel, gate, *signs)]


@pytest.mark.parametrize("head", ["mmi", "plain"])
@pytest.mark.parametrize(("before", "after"), [(3, 2), (3, 1), (7, 2)])
def test_a_steps_first_frames_stay_as_they_were(head, before, after):
    model = model_with(before, head)
    features = torch.randn(5, 2, model.decoder.gate_layer.linear_layer.in_features)
    if head == "mmi":
        features = torch.randn(5, 2, CONFIG.model.decoder_rnn_dim + 32)
    old = outputs_of(model, features)
    set_frames_per_step(model, after)
    new = outputs_of(model, features)
    assert len(new) == (3 if head == "mmi" else 2)
    for one, other in zip(old, new, strict=True):
        assert other.shape[1] == after
        torch.testing.assert_close(other, one[:, :after])


@pytest.mark.parametrize("head", ["mmi", "plain"])
def test_what_follows_the_fed_frame_is_said_as_before(head):
    """Of the whole model: the first step, which is fed zeros, and the frames it makes."""
    model = model_with(3, head)
    text, lengths = torch.randint(1, 50, (2, 6)), torch.tensor([6, 6])
    mel, mel_lengths = torch.randn(2, 80, 2), torch.tensor([2, 2])
    old = model(text, lengths, mel, mel_lengths)
    set_frames_per_step(model, 2)
    new = model(text, lengths, mel, mel_lengths)
    for one, other in zip(old, new, strict=True):
        torch.testing.assert_close(other, one)
    spoken, _ = model.infer(text, lengths, max_frames=5, gate_threshold=1.0)
    assert spoken.mel.shape[2] == 5
    torch.testing.assert_close(spoken.mel[:, :, :2], new.mel)


@pytest.mark.parametrize("head", ["mmi", "plain"])
@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3)])
def test_it_is_the_model_of_that_size(head, before, after):
    model, other = model_with(before, head), model_with(after, head)
    set_frames_per_step(model, after)
    assert model.decoder.n_frames_per_step == after
    assert str(model) == str(other)
    other.load_state_dict(model.state_dict())
    text, lengths = torch.randint(1, 50, (1, 6)), torch.tensor([6])
    mel, mel_lengths = torch.randn(1, 80, 7), torch.tensor([7])
    for one, two in zip(*(m(text, lengths, mel, mel_lengths) for m in (model, other)), strict=True):
        torch.testing.assert_close(one, two)


def test_frames_beyond_the_last_begin_like_it():
    model = model_with(2)
    old = model.decoder.mel_layer[-1].linear_layer.bias.detach().clone().view(2, 80)
    set_frames_per_step(model, 4)
    new = model.decoder.mel_layer[-1].linear_layer.bias.view(4, 80)
    assert torch.equal(new, old[[0, 1, 1, 1]])


@pytest.mark.parametrize("head", ["mmi", "plain"])
def test_the_optimizer_goes_on_with_the_rows_that_are_kept(head):
    model = model_with(3, head)
    optimizer = make_optimizer(model, CONFIG.train)

    def step():
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()

    for _ in range(3):
        step()
    old = {n: (p.detach().clone(), optimizer.state[p]) for n, p in model.named_parameters()}
    names = list(old)
    set_frames_per_step(model, 2, optimizer)
    assert [n for n, _ in model.named_parameters()] == names
    learning = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(learning) == sorted(id(p) for p in model.parameters())
    assert optimizer.state.keys() == set(model.parameters())
    for name, parameter in model.named_parameters():
        value, moments = old[name]
        n_rows = len(value) * 2 // 3 if is_output(name, head) else len(value)
        assert torch.equal(parameter, value[:n_rows]), name
        state = optimizer.state[parameter]
        assert state["step"] == 3
        for moment in ("exp_avg", "exp_avg_sq"):
            assert torch.equal(state[moment], moments[moment][:n_rows]), name
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    step()
    assert not any(torch.equal(p, before[n]) for n, p in model.named_parameters())
    other = make_optimizer(model_with(2, head), CONFIG.train)
    other.load_state_dict(optimizer.state_dict())


def test_as_many_frames_as_before_change_nothing():
    model = model_with(2)
    before = list(model.parameters())
    set_frames_per_step(model, 2)
    assert all(a is b for a, b in zip(before, model.parameters(), strict=True))
