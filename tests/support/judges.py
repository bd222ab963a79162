"""Judges whose opinions a test chooses."""

import numpy as np

from ponytaco.judges.judge import Judges


class FakeEncoder:
    """Embeds a sound by its mean, as an angle."""

    def embed(self, waveform):
        angle = float(np.mean(waveform))
        return np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)


def ECHO(sounds):  # noqa: N802
    return [1.0] * len(sounds)


def fake_judges(texts, ratings=None):
    """Return judges that hear these texts, in turn, and rate so."""
    heard = iter(texts)
    rated = None if ratings is None else iter(ratings)
    return Judges(
        lambda sounds: [next(heard) for _ in sounds],
        None if rated is None else lambda sounds: [next(rated) for _ in sounds],
        FakeEncoder(),
    )


class EchoJudges(Judges):
    """Hear the same words in every sound, and know every voice by half."""

    def __init__(self, heard="bad", mos=2.0):
        super().__init__(lambda sounds: [heard] * len(sounds),
                         lambda sounds: [mos] * len(sounds), FakeEncoder())  # fmt: skip


def hide_judges(patch):
    """Let no judge be installed, in this process: the real ones take seconds a sentence."""
    for module in ("whisper", "mos", "likeness"):
        patch.setattr(f"ponytaco.judges.{module}._PACKAGE", f"no_{module}")
