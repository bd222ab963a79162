"""Sound by strangers, read by the preparation and by the trainer."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile

from data_prep import audio as prep
from data_prep import sound_files
from ponytaco.audio.wav import AudioError, load_wav


def wav(rate=22_050, channels=1, samples=b"\0\0" * 8000, form=1, bits=16, claimed=None):
    """A wav whose header says what it is told to say."""
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", form, channels, rate, rate * block % 2**32, block % 2**16, bits)
    size = len(samples) if claimed is None else claimed
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", size) + samples
    return b"RIFF" + struct.pack("<I", min(len(body), 2**32 - 1)) + body


def encoded(samples, rate, kind):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind)
    return buffer.getvalue()


def floats(*values):
    return wav(samples=np.array(values * 4000, np.float32).tobytes(), form=3, bits=32)


HOSTILE = {
    "nothing": b"",
    "zero-length": wav(samples=b""),
    "1 Hz": wav(rate=1),
    "1 MHz": wav(rate=1_000_000),
    "0 Hz": wav(rate=0),
    "4 GHz": wav(rate=2**32 - 1),
    "64 channels": wav(channels=64, samples=bytes(64 * 2 * 1000)),
    "no channel": wav(channels=0),
    "65535 channels": wav(channels=65_535, samples=bytes(200_000)),
    "NaN": floats(0.1, float("nan")),
    "infinite": floats(0.1, float("-inf")),
    "header only": wav()[:30],
    "0 bits": wav(bits=0),
    "a web page": b"<!DOCTYPE html><html>quota exceeded</html>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_preparation_says_why(name):
    with pytest.raises(prep.AudioError) as error:
        prep.decode(HOSTILE[name])
    assert str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_trainer_says_which_and_why(tmp_path, name):
    path = tmp_path / "clip.wav"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(AudioError, match=r"clip\.wav"):
        load_wav(path, 22_050)


def test_a_truncated_file_gives_what_is_there(tmp_path):
    content = wav(samples=np.full(8000, 99, np.int16).tobytes(), claimed=2**31)
    (tmp_path / "clip.wav").write_bytes(content)
    assert len(load_wav(tmp_path / "clip.wav", 22_050)) == 8000
    assert abs(prep.decode(content).seconds - 8000 / 22_050) < 0.01


# small files, large sound


def test_hours_of_silence_are_not_decoded(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(encoded(np.zeros(700 * 8000, np.int16), 8000, "FLAC"))
    assert path.stat().st_size < 20_000
    tracemalloc.start()
    with pytest.raises(sound_files.TooLongError):
        prep.decode(path.read_bytes())
    with pytest.raises(AudioError, match="clip.wav"):
        load_wav(path, 8000 // 2)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_many_channels_of_a_high_rate_are_not_decoded(monkeypatch):
    content = encoded(np.zeros((50_000, 8), np.int16), 192_000, "FLAC")
    monkeypatch.setattr(sound_files, "MOST_SAMPLES", 50_000 * 8 - 1)
    with pytest.raises(sound_files.AudioError, match="too many"):
        prep.decode(content)
    assert sound_files.LONGEST_DECODED_SECONDS * 48_000 * 2 < 50_000_000
