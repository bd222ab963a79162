"""Adversarial training of the postnet: it sharpens, resumes, and leaves all else alone."""

import copy

import pytest
import torch
from support.processes import in_processes
from support.training import CONFIG, assert_same

import ponytaco.training.adversarial as adversarial
from ponytaco.checkpoint.format import new_model
from ponytaco.data.loader import Batch
from ponytaco.training.adversarial import AdversarialPostnet
from ponytaco.training.distributed import ALONE

USABLE = torch.tensor(True)
N_MELS = CONFIG.audio.n_mels


@pytest.fixture(autouse=True)
def few_and_short_crops(monkeypatch):
    for name, value in (("_N_UPDATES", 2), ("_N_CROPS", 4), ("_CROP_FRAMES", 32)):
        monkeypatch.setattr(adversarial, name, value)


def new_adversary(seed=1):
    torch.manual_seed(seed)
    model = new_model(CONFIG.replace(p_prenet_dropout=0.0)).train()
    for seed in range(30):  # the batch norms know such mels by now
        model.postnet(decoded(batch(seed)))
    adversary = AdversarialPostnet(model.eval(), torch.full((N_MELS,), -5.0), seed)
    return model, adversary


def batch(seed=0, n_frames=60):
    """Clips of three shapes at random; their decoder's mels have less contrast."""
    generator = torch.Generator().manual_seed(seed)
    shapes = torch.linspace(0, 3, 3)[:, None] * torch.linspace(0, 3, N_MELS)
    mel = torch.randn(4, n_frames, 3, generator=generator) @ shapes.cos() - 5
    mel = mel.transpose(1, 2).contiguous()
    return Batch(
        text=torch.ones(4, 7, dtype=torch.int64),
        text_lengths=torch.tensor([7, 6, 5, 3]),
        mel=mel,
        mel_lengths=torch.tensor([n_frames, n_frames - 7, n_frames // 2, 5]),
        ctc=torch.ones(4, 5, dtype=torch.int64),
        ctc_lengths=torch.tensor([5, 4, 3, 1]),
        intervals=torch.zeros(4, 7, 2),
        is_end=torch.ones(4, dtype=torch.bool),
        weight=torch.ones(4),
    )


def decoded(of):
    return -5 + 0.5 * (of.mel + 5)


def go(adversary, seed=0, is_usable=USABLE, ranks=ALONE):
    clips = batch(seed)
    return adversary.round(clips, decoded(clips), is_usable, ranks)


def test_mels_without_contrast_become_more_like_true_ones(monkeypatch):
    monkeypatch.setattr(adversarial, "_LEARNING_RATE", 5e-4)
    model, adversary = new_adversary()

    def speak(clips):
        return adversarial._Mels((decoded(batch(seed + 100)),), clips.mel_lengths)

    monkeypatch.setattr(adversary, "_speak", speak)

    def contrast():
        mel = decoded(batch())
        return (mel + model.postnet(mel)).detach().diff(dim=2).std().item()

    wanted, before = batch().mel.diff(dim=2).std().item(), contrast()
    assert before < 0.8 * wanted
    for seed in range(90):
        losses = go(adversary, seed)
    assert abs(contrast() - wanted) < 0.7 * abs(before - wanted)
    assert set(losses) == {"discriminator", "adversarial"}
    assert not any(value.requires_grad for value in losses.values())


def test_what_the_decoder_speaks_on_its_own_is_sharpened_too(monkeypatch):
    given = []
    model, adversary = new_adversary()
    update = adversary._update
    monkeypatch.setattr(adversary, "_update", lambda *args: given.append(args) or update(*args))
    go(adversary)
    forced, spoken, *_ = given[0]
    (mel,) = spoken.mels
    free, lengths = model.infer(batch().text, batch().text_lengths, max_frames=60)
    assert torch.equal(mel, free.mel) and torch.equal(spoken.lengths, lengths)
    monkeypatch.setattr(adversarial, "_N_SPOKEN", 2)
    go(adversary)
    assert len(given[-1][1].lengths) == 2


def test_only_the_postnet_learns():
    model, adversary = new_adversary()
    before = copy.deepcopy(model.state_dict())
    go(adversary)
    changed = {name for name, v in model.state_dict().items() if not torch.equal(v, before[name])}
    assert changed == {f"postnet.{name}" for name, _ in model.postnet.named_parameters()}
    assert all(parameter.grad is None for parameter in model.parameters())


def states(model, adversary):
    return copy.deepcopy((model.state_dict(), adversary.state_dict()))


def test_it_resumes_to_the_bit():
    model, adversary = new_adversary()
    assert adversary.state_dict() is None
    adversary.has_begun = True
    go(adversary)
    weights, saved = states(model, adversary)
    other_model, other = new_adversary(seed=2)
    other_model.load_state_dict(weights)
    other.load_state_dict(saved)
    assert other.has_begun
    for each in (adversary, other):
        torch.manual_seed(3)
        go(each, seed=1)
    assert_same(states(model, adversary)[0], states(other_model, other)[0])
    assert_same(states(model, adversary)[1], states(other_model, other)[1])


def test_to_begin_draws_no_random_numbers():
    torch.manual_seed(4)
    expected = torch.rand(3)
    model = new_adversary()[0]
    torch.manual_seed(4)
    AdversarialPostnet(model, torch.zeros(N_MELS), 1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("why", ["skipped", "nan"])
def test_what_is_not_usable_changes_no_weight(why):
    model, adversary = new_adversary()
    adversary.has_begun = True
    go(adversary)
    before = states(model, adversary)
    bad = batch(seed=1)
    mel = torch.full_like(bad.mel, float("nan")) if why == "nan" else decoded(bad)
    adversary.round(bad, mel, torch.tensor(why != "skipped"))
    after = states(model, adversary)
    assert_same(before[0], after[0])
    for name in ("of_discriminator", "of_postnet"):
        assert_same(before[1][name], after[1][name])
    for name, value in after[1]["discriminator"].items():
        if name.endswith("original"):
            assert torch.equal(value, before[1]["discriminator"][name])


def test_crops_are_of_the_same_place_in_all_mels_and_never_of_the_padding():
    n_frames = 90
    frames = torch.arange(n_frames, dtype=torch.float32)
    lengths = torch.tensor([90, 60, 20])
    true = torch.stack([frames.clamp(max=n - 1) for n in lengths])[:, None].repeat(1, 2, 1)
    true[torch.arange(n_frames) >= lengths[:, None, None].expand_as(true)] = -1.0  # padding
    starts = set()
    for seed in range(20):
        torch.manual_seed(seed)
        others, crops = adversarial._crops(adversarial._Mels((true + 1000, true), lengths))
        assert crops.shape == (4, 2, 32)
        assert torch.equal(others, crops + 1000)
        assert (crops >= 0).all()
        steps = crops.diff(dim=2)
        assert ((steps == 1) | ((steps == 0) & (crops[:, :, 1:] == 19))).all()
        starts |= set(crops[:, 0, 0].tolist())
    assert min(starts) == 0 and max(starts) > 40


def test_processes_stay_together_though_their_clips_differ():
    def work(ranks):
        model, adversary = new_adversary()
        adversary.has_begun = True
        for step in range(2):
            go(adversary, 10 * ranks.rank + step, ranks=ranks)
        return states(model, adversary)

    one, other = in_processes(work)
    assert_same(one[0], other[0])
    assert_same(one[1], other[1])
