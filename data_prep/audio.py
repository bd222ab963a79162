"""Audio of any format as 22,050 Hz mono: decoding, resampling, levels, clipping, trimming."""

import io
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.sound_files import AudioError, read_samples, read_span

Waveform = npt.NDArray[np.float32]

SAMPLE_RATE = 22_050
"""Hz at which clips are judged, and of every wav in a dataset folder unless asked otherwise."""

PEAK = 0.99
"""Waveforms with a higher peak are scaled down to it, so that PCM16 does not clip them."""

SILENCE_RMS = 10 ** (-55 / 20)
"""-55 dBFS in the loudest 50 ms: no recorded speech is that quiet."""

MOST_LOST_DB = 4.0
"""Level that a mix of channels may lose against the best; equal ones without relation lose 3."""

FLAT_RUN = 4
"""Samples. Natural peaks stay at their maximum for one or two samples, clipped ones longer."""


@dataclass(frozen=True)
class Sound:
    """Decoded audio."""

    waveform: Waveform
    """(T_wav,) mono, without DC offset, with a peak of at most PEAK."""

    clipped_share: float
    """0..1: share of the original samples that lie in clipped peaks."""

    sample_rate: int = SAMPLE_RATE
    """Hz."""

    source_rate: int = SAMPLE_RATE
    """Hz of the file."""

    @property
    def seconds(self) -> float:
        """Length of the waveform in seconds."""
        return len(self.waveform) / self.sample_rate


def decode(data: bytes, sample_rate: int = SAMPLE_RATE) -> Sound:
    """Decode an audio file of any sample rate, channel count and sample format.

    Args:
        data: content of a wav, flac, mp3, ogg, … that libsndfile reads, or of an m4a, webm, … if
            ffmpeg is installed.
        sample_rate: Hz of the result.

    Returns:
        The audio, mixed down to mono, resampled, with a peak of at most 0.99.

    Raises:
        TooLongError: if it is longer than 120 seconds.
        AudioError: if it cannot be decoded, is cut off or empty, or contains NaN or infinite
            samples.
    """
    return _sound_of(*read_samples(data), sample_rate)


def decode_span(path: Path, start: float, end: float, sample_rate: int = SAMPLE_RATE) -> Sound:
    """Decode a stretch of a long recording, as ``decode``.

    Args:
        path: the recording.
        start: seconds.
        end: seconds.
        sample_rate: Hz of the result.

    Raises:
        AudioError: as ``decode``; or the stretch ends after the recording.
        OSError: if the file cannot be read.
    """
    return _sound_of(*read_span(path, start, end), sample_rate)


def _sound_of(channels: npt.NDArray[np.float32], rate: int, sample_rate: int) -> Sound:
    if channels.shape[0] == 0:
        raise AudioError("it contains no samples")
    if not np.isfinite(channels).all():
        raise AudioError("it contains samples that are not numbers (NaN or infinite)")
    # A constant offset is inaudible, but would hide silence from every level measurement.
    mono, clipped = mix_down(channels)
    waveform = peak_guard(resample(mono.astype(np.float32), rate, sample_rate))
    return Sound(waveform, clipped, sample_rate, source_rate=rate)


def mix_down(channels: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], float]:
    """Mix channels down to mono, or take the best one where a mix would lose much of the speech.

    Inverted phases cancel each other, and silent channels take 6 dB or more from the others.

    Args:
        channels: (T_wav, channels).

    Returns:
        (T_wav,) without DC offset, and the share of clipped samples in what was taken.
    """
    centred = channels.astype(np.float64) - channels.mean(axis=0, dtype=np.float64)
    mix = centred.mean(axis=1)
    speech = [_speech_power(centred[:, i]) for i in range(centred.shape[1])]
    best = int(np.argmax(speech))
    if _speech_power(mix) < speech[best] * 10 ** (-MOST_LOST_DB / 10):
        return centred[:, best], clipped_share(channels[:, best])
    return mix, max(clipped_share(channels[:, i]) for i in range(channels.shape[1]))


def _speech_power(waveform: npt.NDArray[np.float64]) -> float:
    """Measure the power of the loud frames above that of the quiet ones: steady noise has none."""
    if len(waveform) < 40:
        return float(np.mean(waveform**2))
    frames = waveform[: len(waveform) // 40 * 40].reshape(40, -1)
    power = np.mean(frames**2, axis=1)
    quiet, loud = np.percentile(power, [10, 90])
    return float(loud - quiet) + 1e-3 * float(loud)


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
    """Scale a waveform down to a peak of 0.99 if its peak is higher; never scale it up."""
    peak = float(np.abs(waveform).max(initial=0.0))
    return waveform if peak <= PEAK else (waveform * np.float32(PEAK / peak)).astype(np.float32)


def clipped_share(samples: npt.NDArray[np.float32]) -> float:
    """Measure the share of clipped samples: runs of at least 4 samples at the peak level.

    This also detects clips that were attenuated after clipping.

    Args:
        samples: (T_wav,) of one channel, before resampling, which rounds off clipped peaks.

    Returns:
        0..1; 0 for audio so quiet that equal samples are a matter of quantisation.
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
    """Whether even the loudest 50 ms are below -55 dBFS."""
    return float(_frame_rms(waveform, SAMPLE_RATE // 20).max(initial=0.0)) < SILENCE_RMS


def _frame_rms(waveform: Waveform, size: int) -> npt.NDArray[np.float64]:
    """RMS of consecutive frames of `size` samples; the last frame is zero-padded."""
    padded = np.pad(waveform.astype(np.float64), (0, -len(waveform) % size))
    return np.sqrt(np.mean(padded.reshape(-1, size) ** 2, axis=1))


def trim_by_level(waveform: Waveform, margin_seconds: float = 0.05) -> tuple[int, int]:
    """Find the start and end of the speech by its level.

    Frames 45 dB below the loudest one count as silence, and so do those below 0.1 % of full
    scale, the level at which soundtools trims.

    Args:
        waveform: (T_wav,) at 22,050 Hz.
        margin_seconds: silence to keep at both ends, as far as there is any.

    Returns:
        First sample and the one after the last; those of the whole clip if all of it is silent.
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
    """Round to 16 bits, so that decoding and encoding leave PCM16 unchanged."""
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype("<i2")


def wav_bytes(waveform: Waveform, sample_rate: int = SAMPLE_RATE) -> bytes:
    """Encode a waveform as a mono PCM16 wav file.

    The standard library does it in memory, because libsndfile hides why a write failed.

    Args:
        waveform: (T_wav,) in -1..1.
        sample_rate: Hz.

    Returns:
        Content of the file.
    """
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(pcm16(waveform).tobytes())
    return buffer.getvalue()
