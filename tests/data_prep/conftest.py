"""Small clips that sound enough like speech for the offset search: vowels hum, s hisses."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from data_prep.archive_writer import ArchiveWriter
from data_prep.audio import SAMPLE_RATE, Waveform

WORDS = {
    "see": ("S", "IY1"),
    "sun": ("S", "AH1", "N"),
    "mice": ("M", "AY1", "S"),
    "yes": ("Y", "EH1", "S"),
    "no": ("N", "OW1"),
    "us": ("AH1", "S"),
    "ships": ("SH", "IH1", "P", "S"),
    "my": ("M", "AY1"),
}
HISSES = frozenset({"S", "SH"})


@dataclass
class FakeClip:
    waveform: Waveform
    """The whole, untrimmed clip."""

    label: dict


def _phone_sound(phone: str, count: int, rng: np.random.Generator) -> np.ndarray:
    if phone == "sil":
        return np.zeros(count)
    if phone in HISSES:
        return np.diff(rng.normal(0, 0.03, count + 1))
    if phone == "P":
        return np.concatenate([np.zeros(count // 2), rng.normal(0, 0.02, count - count // 2)])
    t = np.arange(count) / SAMPLE_RATE
    pitch = rng.uniform(110, 140)
    hum = sum(np.sin(2 * np.pi * pitch * k * t + k) / k for k in range(1, 9))
    return hum * (0.05 if phone in {"M", "N", "Y"} else 0.12)


def make_clip(
    words: list[str],
    seed: int = 0,
    before: float = 0.4,
    after: float = 0.3,
    text: str | None = None,
    **label: object,
) -> FakeClip:
    rng = np.random.default_rng(seed)
    pieces, phones, spoken, now = [], [], [], 0.0

    def log(phone: str, seconds: float) -> None:
        nonlocal now
        pieces.append(_phone_sound(phone, round(seconds * SAMPLE_RATE), rng))
        phones.append({"content": phone, "interval": [round(now, 4), round(now + seconds, 4)]})
        now += seconds

    log("sil", before)
    for word in words:
        start = now
        for phone in WORDS[word]:
            log(phone, float(rng.uniform(0.07, 0.16)))
        spoken.append({"content": word, "interval": [round(start, 4), round(now, 4)]})
        if rng.random() < 0.4:
            log("sil", float(rng.uniform(0.05, 0.2)))
    log("sil", after)
    waveform = np.concatenate(pieces) + rng.normal(0, 1e-5, sum(map(len, pieces)))
    whole = {
        "character": "Test",
        "episode": "test",
        "tags": ["Neutral"],
        "noise": "",
        "utterance": {
            "content": " ".join(words).capitalize() + "." if text is None else text,
            "episode_interval": [10.0, 10.0 + round(now, 4)],
        },
        "words": spoken,
        "phones": phones,
    }
    return FakeClip(waveform.astype(np.float32), whole | label)


def random_words(seed: int, count: int = 6) -> list[str]:
    return list(np.random.default_rng(seed).choice(list(WORDS), count))


@pytest.fixture
def fake_clip() -> Callable[..., FakeClip]:
    return make_clip


@pytest.fixture
def small_archive(tmp_path: Path) -> Path:
    """Twelve good clips, trimmed by different amounts at both ends."""
    path = tmp_path / "Test.tar"
    with ArchiveWriter(path) as archive:
        for i in range(12):
            clip = make_clip(random_words(i), seed=i)
            cut = slice(round((0.2 + 0.01 * i) * SAMPLE_RATE), -round(0.1 * SAMPLE_RATE))
            archive.add(f"clip {i:02}", clip.waveform[cut], SAMPLE_RATE, clip.label)
    return path


@pytest.fixture
def as_json() -> Callable[[dict], bytes]:
    return lambda label: json.dumps(label).encode()
