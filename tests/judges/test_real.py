"""The real judges, where the extra is installed, hear espeak."""

import numpy as np
import pytest

from ponytaco.io.installed import packaged_file
from ponytaco.judges import likeness, mos, whisper
from ponytaco.judges.judge import Judges, mean_verdict
from ponytaco.judges.likeness import VoiceEncoder
from ponytaco.judges.mos import MosPredictor
from ponytaco.judges.whisper import Whisper

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clips():
    pytest.importorskip("espeakng_loader")
    from data_prep.demo.espeak import speak
    from data_prep.demo.grammar import sentences

    return speak(sentences(3, seed=4))


def needs(package, name):
    if packaged_file(package, name) is None:
        pytest.skip(f"needs the package {package}")


def noise(seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, 48_000).astype(np.float32)


def test_whisper_understands_speech_and_not_noise(clips):
    pytest.importorskip("ctranslate2")
    needs(whisper._PACKAGE, whisper._FOLDER)
    judges = Judges(Whisper(), None, None)
    heard = judges.listen([clip.waveform for clip in clips], clips[0].sample_rate)
    texts = [clip.text for clip in clips]
    assert mean_verdict(heard, texts).understood >= 0.5  # espeak is hard to understand
    of_noise = judges.listen([noise()], 16_000)
    assert mean_verdict(of_noise, texts[:1]).understood <= 0.2


def test_noise_lowers_the_mos_of_speech(clips):
    needs(mos._PACKAGE, mos._FILE)
    judges = Judges(None, MosPredictor(), None)
    (spoken,) = judges.listen([clips[0].waveform], clips[0].sample_rate)
    waveform = clips[0].waveform
    noisy = waveform + np.resize(noise(), waveform.shape)
    (noisy,) = judges.listen([noisy], clips[0].sample_rate)
    assert 1 <= noisy.mos < spoken.mos <= 5


def test_a_voice_is_most_like_itself(clips):
    needs(likeness._PACKAGE, likeness._FILE)
    judges = Judges(None, None, VoiceEncoder())
    rate = clips[0].sample_rate
    judges.remember([clip.waveform for clip in clips[1:]], rate)
    (same,) = judges.listen([clips[0].waveform], rate)
    (higher,) = judges.listen([clips[0].waveform], round(rate / 1.5))  # another's throat
    assert same.likeness > 0.8 and same.likeness > higher.likeness + 0.1
