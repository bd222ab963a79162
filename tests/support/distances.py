"""Distances between results of two devices."""

import torch


def distance(ours, theirs, least=0.0):
    """Return the norm of the difference, relative to ``theirs``' norm or to ``least`` if larger."""
    ours, theirs = (x.detach().double().cpu() for x in (ours, theirs))
    assert torch.isfinite(ours).all()
    return float((ours - theirs).norm() / max(float(theirs.norm()), least, 1e-30))


def largest_distance(ours, theirs):
    """Return the largest distance between tensors of the same name, and the name.

    Tensors that are zero up to rounding, such as the gradient of a bias before a batch norm, are
    compared with a thousandth of the norm of all.
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
    """Return the level of the sound above the difference, in dB."""
    sound, other = sound.double().cpu(), other.double().cpu()
    return float(20 * torch.log10(sound.std() / (other - sound).std()))
