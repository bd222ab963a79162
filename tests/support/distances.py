"""How far numbers of two devices are apart."""

import torch


def distance(ours, theirs, least=0.0):
    """Length of the difference, as a share of the second's length but at least of ``least``."""
    ours, theirs = (x.detach().double().cpu() for x in (ours, theirs))
    assert torch.isfinite(ours).all()
    return float((ours - theirs).norm() / max(float(theirs.norm()), least, 1e-30))


def largest_distance(ours, theirs):
    """Of two tables of gradients or weights, the name whose tensors are furthest apart.

    What is zero but for rounding, such as the gradient of a bias before a batch norm, counts as a
    thousandth of all together.
    """
    assert ours.keys() == theirs.keys()
    whole = torch.stack([value.detach().double().cpu().norm() for value in theirs.values()]).norm()
    distances = {
        name: distance(value, theirs[name], least=1e-3 * float(whole))
        for name, value in ours.items()
    }
    worst = max(distances, key=distances.__getitem__)
    return distances[worst], worst


def decibels(sound, other):
    """How far the difference is below the sound."""
    sound, other = sound.double().cpu(), other.double().cpu()
    return float(20 * torch.log10(sound.std() / (other - sound).std()))
