import pytest
import torch

from ponytaco.model.mel_discriminator import MelDiscriminator


@pytest.mark.parametrize(("n_mels", "n_frames"), [(80, 96), (80, 7), (20, 1)])
def test_patches_are_scored(n_mels, n_frames):
    discriminator = MelDiscriminator(torch.full((n_mels,), -5.0))
    scores, features = discriminator(torch.randn(3, n_mels, n_frames) - 5)
    assert scores.shape[:2] == (3, 1) and len(features) == 4
    assert scores.shape[2:] == features[-1].shape[2:]


def test_a_score_is_about_its_own_clip_and_neighbourhood():
    discriminator = MelDiscriminator(torch.zeros(80)).eval()
    mel = torch.randn(2, 80, 200)
    changed = mel.clone()
    changed[0, :, 150:] += 1
    (before, _), (after, _) = discriminator(mel), discriminator(changed)
    assert torch.equal(before[1], after[1])
    assert torch.equal(before[0, ..., :25], after[0, ..., :25])
    assert not torch.equal(before[0, ..., -10:], after[0, ..., -10:])


def test_bands_are_told_apart():
    """The same pattern elsewhere in the spectrum is another sound."""
    torch.manual_seed(0)
    discriminator = MelDiscriminator(torch.zeros(80)).eval()
    low, high = torch.zeros(1, 80, 40), torch.zeros(1, 80, 40)
    low[:, 20:24], high[:, 52:56] = 3, 3
    scores = [discriminator(mel)[0] for mel in (low, high)]
    moved = scores[0].roll(2, dims=2)  # bands are halved four times: 32 of them are two scores
    assert not torch.allclose(moved[:, :, 3:-1], scores[1][:, :, 3:-1], atol=1e-3)
