"""Sound of any form to 22,050 Hz mono; its level, its clipping, its trimming."""

import io
import wave
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]

SAMPLE_RATE = 22_050
"""Hz, of every wav in a dataset folder."""

PEAK = 0.99
"""A waveform that goes higher is scaled down to it, so that PCM16 does not cut it off."""

LONGEST_DECODED_SECONDS = 120.0
"""Longer than any clip; a small flac can hold hours of silence, which would fill the memory."""

MOST_CHANNELS = 32

MOST_SAMPLES = 50_000_000
"""Of all channels: two minutes of 192 kHz stereo, 200 MB when decoded. A flac of silence in eight
channels at 400 kHz would be 1.5 GB."""

SILENCE_RMS = 10 ** (-55 / 20)
"""-55 dB of full scale in the loudest 50 ms: nobody speaks that quietly into a recording."""

FLAT_RUN = 4
"""Samples. Natural peaks touch their highest value for one or two samples, cut-off ones longer."""


class AudioError(ValueError):
    """Sound that cannot be used; its text is a sentence that says why."""


class TooLongError(AudioError):
    """Sound so long that it is not even decoded."""


@dataclass(frozen=True)
class Sound:
    """Decoded sound."""

    waveform: Waveform
    """(T_wav,) mono at SAMPLE_RATE, without DC offset, at most PEAK high."""

    clipped_share: float
    """0..1: how many samples of the original are part of a cut-off peak."""

    @property
    def seconds(self) -> float:
        """Length of the waveform."""
        return len(self.waveform) / SAMPLE_RATE


def decode(data: bytes) -> Sound:
    """Decode a sound file of any rate, channel count and sample format.

    Args:
        data: the bytes of a wav, flac, or another file that libsndfile reads.

    Returns:
        The sound, mixed to mono, resampled to 22,050 Hz and guarded against peaks over 0.99.

    Raises:
        TooLongError: if it is longer than 120 seconds.
        AudioError: if it cannot be decoded, is empty, or holds samples that are no numbers.
    """
    channels, rate = _read_samples(data)
    if channels.shape[0] == 0:
        raise AudioError("it holds no samples")
    if not np.isfinite(channels).all():
        raise AudioError("it holds samples that are not numbers (NaN or infinite)")
    clipped = max(clipped_share(channels[:, i]) for i in range(channels.shape[1]))
    mono = channels.mean(axis=1, dtype=np.float64)
    # A constant offset is inaudible, but would hide silence from every level measurement.
    mono = (mono - mono.mean()).astype(np.float32)
    return Sound(peak_guard(resample(mono, rate)), clipped)


def _read_samples(data: bytes) -> tuple[npt.NDArray[np.float32], int]:
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, count = int(file.samplerate), int(file.channels)
            if not 1_000 <= rate <= 400_000:
                raise AudioError(f"its sample rate of {rate} Hz makes no sense")
            if not 1 <= count <= MOST_CHANNELS:
                raise AudioError(f"it has {count} channels")
            if file.frames > LONGEST_DECODED_SECONDS * rate:
                raise TooLongError(f"it is {file.frames / rate:.0f} seconds long")
            if file.frames * count > MOST_SAMPLES:
                raise AudioError(f"it has {file.frames * count} samples, too many for a clip")
            # A damaged header may promise too few frames or too many; read what is there.
            limit = int(LONGEST_DECODED_SECONDS * rate)
            return file.read(limit, dtype="float32", always_2d=True), rate
    except (soundfile.SoundFileError, RuntimeError, TypeError, MemoryError) as error:
        raise AudioError(f"it cannot be decoded ({_said_by_library(error)})") from None


def _said_by_library(error: Exception) -> str:
    """Without the address of what was to be opened, which libsndfile puts before its reason."""
    return str(getattr(error, "error_string", error))[:100].rstrip(".")


def resample(waveform: Waveform, sample_rate: int, target_rate: int = SAMPLE_RATE) -> Waveform:
    """Resample with soxr (librosa's "soxr_hq").

    Args:
        waveform: (T_wav,) float32.
        sample_rate: Hz of the waveform.
        target_rate: Hz of the result.

    Returns:
        (T_wav * target_rate / sample_rate,) float32.
    """
    if sample_rate == target_rate:
        return waveform
    # librosa takes a second to import, which `--help` and most tests need not pay.
    import librosa

    resampled = librosa.resample(
        waveform, orig_sr=sample_rate, target_sr=target_rate, res_type="soxr_hq"
    )
    return np.asarray(resampled, dtype=np.float32)


def peak_guard(waveform: Waveform) -> Waveform:
    """Scale a waveform down to a peak of 0.99 if it is higher; never scale up."""
    peak = float(np.abs(waveform).max(initial=0.0))
    return waveform if peak <= PEAK else (waveform * np.float32(PEAK / peak)).astype(np.float32)


def clipped_share(samples: npt.NDArray[np.float32]) -> float:
    """Share of samples that lie in cut-off peaks: runs of at least 4 at the highest level.

    Finds clips that were cut off and then made quieter, too.

    Args:
        samples: (T_wav,) of one channel, before any resampling, which rounds the corners.

    Returns:
        0..1; 0 for sound so quiet that its few levels repeat by themselves.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < 0.05:
        return 0.0
    flat = 0
    for sign in (1, -1):
        # A 150 Hz tone at 44.1 kHz stays within 0.01 % of its peak for a single sample.
        at_top = np.concatenate([[False], samples * sign >= 0.9999 * peak, [False]])
        edges = np.flatnonzero(at_top[1:] != at_top[:-1]).reshape(-1, 2)
        runs = edges[:, 1] - edges[:, 0]
        flat += int(runs[runs >= FLAT_RUN].sum())
    return flat / len(samples)


def is_silent(waveform: Waveform) -> bool:
    """Whether even the loudest 50 ms are quieter than -55 dB of full scale."""
    return float(_frame_rms(waveform, SAMPLE_RATE // 20).max(initial=0.0)) < SILENCE_RMS


def _frame_rms(waveform: Waveform, size: int) -> npt.NDArray[np.float64]:
    """RMS of consecutive frames of `size` samples; the last one is filled up with silence."""
    padded = np.pad(waveform.astype(np.float64), (0, -len(waveform) % size))
    return np.sqrt(np.mean(padded.reshape(-1, size) ** 2, axis=1))


def trim_by_level(waveform: Waveform, margin_seconds: float = 0.05) -> tuple[int, int]:
    """Find where the sound starts and ends by its level.

    What is 45 dB below the loudest frame, or below the 0.1 % of full scale at which soundtools
    trims, counts as silence.

    Args:
        waveform: (T_wav,) at 22,050 Hz.
        margin_seconds: silence to leave at both ends, where there is some.

    Returns:
        First sample and the one after the last; the whole clip where all of it is silent.
    """
    size = SAMPLE_RATE // 100
    rms = _frame_rms(waveform, size)
    loud = np.flatnonzero(rms > max(rms.max(initial=0.0) * 10 ** (-45 / 20), 1e-3))
    if not len(loud):
        return 0, len(waveform)
    margin = round(margin_seconds * SAMPLE_RATE)
    start = int(loud[0]) * size - margin
    end = (int(loud[-1]) + 1) * size + margin
    return max(0, start), min(len(waveform), end)


def pcm16(waveform: Waveform) -> npt.NDArray[np.int16]:
    """Round to 16 bits, so that reading PCM16 and writing it again changes nothing."""
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype("<i2")


def wav_bytes(waveform: Waveform, sample_rate: int = SAMPLE_RATE) -> bytes:
    """Encode a waveform as a mono PCM16 wav file.

    Made in memory with the standard library, because libsndfile hides why a write failed.

    Args:
        waveform: (T_wav,) in -1..1.
        sample_rate: Hz.

    Returns:
        The bytes of the file.
    """
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(pcm16(waveform).tobytes())
    return buffer.getvalue()


def sound_seconds(head: bytes, size: int) -> float | None:
    """Length of a wav or flac from its first bytes, without decoding.

    Args:
        head: the first bytes of the file, some hundred at least.
        size: bytes of the whole file.

    Returns:
        Seconds, or None where the head does not tell.
    """
    if head[:4] == b"fLaC" and len(head) >= 26:
        # STREAMINFO (RFC 9639, 8.2): 20 bits sample rate at byte 18, 36 bits samples to byte 26.
        packed = int.from_bytes(head[18:26], "big")
        rate, samples = packed >> 44, packed & (2**36 - 1)
        return samples / rate if rate and samples else None
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wav_seconds(head, size)
    return None


def _wav_seconds(head: bytes, size: int) -> float | None:
    place, bytes_per_second = 12, 0
    while place + 8 <= len(head):
        name = head[place : place + 4]
        length = int.from_bytes(head[place + 4 : place + 8], "little")
        if name == b"fmt " and place + 20 <= len(head):
            bytes_per_second = int.from_bytes(head[place + 16 : place + 20], "little")
        if name == b"data":
            data = min(length, size - place - 8)
            return data / bytes_per_second if bytes_per_second else None
        # Chunks are padded to an even length.
        place += 8 + length + length % 2
    return None
