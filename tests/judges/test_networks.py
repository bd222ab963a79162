"""The networks of MOS and likeness, with made-up weights in the published names."""

import numpy as np
import pytest
import torch
from support.vocoder_files import save

from ponytaco.judges import likeness, mos
from ponytaco.judges.errors import JudgeError
from ponytaco.judges.likeness import VoiceEncoder, mean_embedding
from ponytaco.judges.mos import MosPredictor


def published(network, names):
    """Return a network's weights under the names that they are published by."""
    theirs = {ours: published for published, ours in names.items()}
    state = {}
    for name, value in network.state_dict().items():
        prefix = max((p for p in theirs if name.startswith(p)), key=len, default="")
        state[theirs.get(prefix, "") + name.removeprefix(prefix)] = value
    return state


def sound(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, int(16_000 * seconds)).astype(np.float32)


@pytest.fixture
def predictor(fake_package, monkeypatch):
    torch.manual_seed(0)
    state = published(mos._Network(), mos._OURS)
    name = fake_package("a_mos", mos._FILE, lambda path: save(path, {"model": state, "step": 1}))
    monkeypatch.setattr(mos, "_PACKAGE", name)
    return MosPredictor()


@pytest.fixture
def encoder(fake_package, monkeypatch):
    torch.manual_seed(0)
    state = {**likeness._Network().state_dict(), "similarity_weight": torch.ones(1)}
    name = fake_package("a_voice", "pretrained.pt", lambda path: save(path, {"model_state": state}))
    monkeypatch.setattr(likeness, "_PACKAGE", name)
    return VoiceEncoder()


@pytest.mark.parametrize("seconds", [0.001, 1.0, 7.68, 9.5])
def test_sounds_of_any_length_have_a_mos(predictor, seconds):
    (rating,) = predictor([sound(seconds)])
    assert 1 <= rating <= 5


def test_loudness_does_not_count_for_the_mos(predictor):
    quiet, loud = predictor([sound(1), 5 * sound(1)])
    assert quiet == pytest.approx(loud, abs=1e-4)


@pytest.mark.parametrize("seconds", [0.001, 1.6, 4.0])
def test_voices_of_any_length_have_an_embedding(encoder, seconds):
    embedding = encoder.embed(sound(seconds))
    assert embedding.shape == (256,)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-4)


def test_silence_has_an_embedding_of_numbers(encoder):
    silence = np.zeros(100, dtype=np.float32)
    assert np.isfinite(mean_embedding([encoder.embed(silence)])).all()


def test_quiet_sounds_are_raised_but_a_loud_one_stays_itself(encoder):
    quiet = encoder.embed(0.001 * sound(2))
    assert quiet @ encoder.embed(0.01 * sound(2)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("content", "why"),
    [({"model_state": {}}, "lacks"), ({}, "no weights"), ([1], "no weights")],
)
def test_weights_that_are_not_those_are_refused(fake_package, monkeypatch, content, why):
    name = fake_package("odd", "pretrained.pt", lambda path: save(path, content))
    monkeypatch.setattr(likeness, "_PACKAGE", name)
    with pytest.raises(JudgeError, match=why):
        VoiceEncoder()


def test_a_damaged_file_is_refused(fake_package, monkeypatch):
    name = fake_package("broken", "pretrained.pt", lambda path: path.write_bytes(b"PK\x03\x04no"))
    monkeypatch.setattr(likeness, "_PACKAGE", name)
    with pytest.raises(JudgeError, match="cannot be used"):
        VoiceEncoder()
