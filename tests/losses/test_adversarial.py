import pytest
import torch

from ponytaco.losses.adversarial import discriminator_loss, feature_matching_loss, generator_loss


def test_scores_of_1_are_wanted_for_real_mels_and_0_for_others():
    ones, zeros = torch.ones(2, 1, 3, 4), torch.zeros(2, 1, 3, 4)
    assert discriminator_loss(ones, zeros) == 0 and generator_loss(ones) == 0
    assert discriminator_loss(zeros, ones) == 2 and generator_loss(zeros) == 1
    assert discriminator_loss(torch.tensor([3.0, 1.0]), torch.tensor([0.5])) == pytest.approx(2.25)


def test_features_are_compared_layer_by_layer():
    real = [torch.zeros(1, 2, 3, 3, requires_grad=True), torch.ones(1, 1, 1, 1)]
    fake = [torch.full((1, 2, 3, 3), -2.0, requires_grad=True), torch.full((1, 1, 1, 1), 5.0)]
    loss = feature_matching_loss(real, fake)
    assert loss == (2 + 4) / 2  # each layer counts alike, however large it is
    loss.backward()
    assert real[0].grad is None and (fake[0].grad < 0).all()
