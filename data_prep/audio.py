"""Audio of any format as 22,050 Hz mono: decoding, resampling, levels, clipping, trimming."""

import io
import wave
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ponytaco.errors import PonytacoError

Waveform = npt.NDArray[np.float32]

SAMPLE_RATE = 22_050
"""Hz at which clips are judged, and of every wav in a dataset folder unless asked otherwise."""

PEAK = 0.99
"""Waveforms with a higher peak are scaled down to it, so that PCM16 does not clip them."""

LONGEST_DECODED_SECONDS = 120.0
"""Longer than any clip; a small flac can contain hours of silence, which would fill the memory."""

MOST_CHANNELS = 32

MOST_SAMPLES = 50_000_000
"""Over all channels: two minutes of 192 kHz stereo, 200 MB when decoded. Two minutes of silence in
eight channels at 400 kHz, a small flac, would decode to 1.5 GB."""

SILENCE_RMS = 10 ** (-55 / 20)
"""-55 dBFS in the loudest 50 ms: no recorded speech is that quiet."""

FLAT_RUN = 4
"""Samples. Natural peaks stay at their maximum for one or two samples, clipped ones longer."""


class AudioError(PonytacoError):
    """Unusable audio; the message is a clause that gives the reason, without a full stop."""


class TooLongError(AudioError):
    """Audio that is not decoded because of its length."""


@dataclass(frozen=True)
class Sound:
    """Decoded audio."""

    waveform: Waveform
    """(T_wav,) mono, without DC offset, with a peak of at most PEAK."""

    clipped_share: float
    """0..1: share of the original samples that lie in clipped peaks."""

    sample_rate: int = SAMPLE_RATE
    """Hz."""

    @property
    def seconds(self) -> float:
        """Length of the waveform in seconds."""
        return len(self.waveform) / self.sample_rate


def decode(data: bytes, sample_rate: int = SAMPLE_RATE) -> Sound:
    """Decode an audio file of any sample rate, channel count and sample format.

    Args:
        data: content of a wav, flac, or other file that libsndfile reads.
        sample_rate: Hz of the result.

    Returns:
        The audio, mixed down to mono, resampled, with a peak of at most 0.99.

    Raises:
        TooLongError: if it is longer than 120 seconds.
        AudioError: if it cannot be decoded, is empty, or contains NaN or infinite samples.
    """
    channels, rate = _read_samples(data)
    if channels.shape[0] == 0:
        raise AudioError("it contains no samples")
    if not np.isfinite(channels).all():
        raise AudioError("it contains samples that are not numbers (NaN or infinite)")
    clipped = max(clipped_share(channels[:, i]) for i in range(channels.shape[1]))
    mono = channels.mean(axis=1, dtype=np.float64)
    # A constant offset is inaudible, but would hide silence from every level measurement.
    mono = (mono - mono.mean()).astype(np.float32)
    return Sound(peak_guard(resample(mono, rate, sample_rate)), clipped, sample_rate)


def _read_samples(data: bytes) -> tuple[npt.NDArray[np.float32], int]:
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, count = int(file.samplerate), int(file.channels)
            if not 1_000 <= rate <= 400_000:
                raise AudioError(f"its sample rate of {rate} Hz is not plausible")
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
        raise AudioError(f"it cannot be decoded ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    """Message of libsndfile without its prefix, the address of the opened object."""
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


def sound_seconds(head: bytes, size: int) -> float | None:
    """Read the length of a wav or flac from its header, without decoding.

    Args:
        head: the first bytes of the file, at least a few hundred.
        size: size of the whole file in bytes.

    Returns:
        Seconds, or None if the header does not tell.
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
