"""Wav files: read and written with checks."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from ponytaco.errors import PonytacoError
from ponytaco.io.atomic import atomic_write
from ponytaco.io.names import as_argument

LONGEST_SECONDS = 600
"""Limit of a clip, far longer than any sentence."""


class AudioError(PonytacoError):
    """A wav file cannot be read, written or used."""


def load_wav(path: str | Path, sample_rate: int) -> Tensor:
    """Read a mono clip.

    Nothing is resampled or mixed here: data preparation does that once.

    Args:
        path: a file that libsndfile reads.
        sample_rate: rate that the file must have, Hz.

    Returns:
        Waveform (T_wav,), float32, from -1 to 1.

    Raises:
        AudioError: the file is missing, broken, empty, of another rate, or not mono.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"No audio at {path}. Prepare the character again.")
    try:
        with soundfile.SoundFile(path) as file:
            actual_rate = file.samplerate
            # A small file can hold hours of silence, or claim to.
            if file.frames * file.channels > LONGEST_SECONDS * sample_rate:
                raise AudioError(
                    f"{path} is longer than {LONGEST_SECONDS} seconds. Cut it into sentences and "
                    "prepare the character again."
                )
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        raise AudioError(f"Cannot read {path}: {error} Prepare the character again.") from None
    if actual_rate != sample_rate:
        raise AudioError(
            f"{path} has {actual_rate} Hz, but the model works at {sample_rate} Hz. "
            f"Prepare the character again with --sample-rate {sample_rate}, or train with "
            f"--sample-rate {actual_rate}."
        )
    if samples.shape[1] != 1:
        raise AudioError(
            f"{path} has {samples.shape[1]} channels instead of one. Prepare the character again."
        )
    if not samples.size or not np.isfinite(samples).all():
        raise AudioError(f"{path} holds no usable samples. Prepare the character again.")
    return torch.from_numpy(samples[:, 0].copy())


def check_wav_path(path: Path) -> Path:
    """Check, before the work, that a wav can be written to a path, and return it.

    Raises:
        AudioError: the suffix is not .wav, the path is a folder or a device, or its folder does
            not exist.
    """
    if path.suffix.lower() not in ("", ".wav"):
        wav = path.with_suffix(".wav").name
        words = ["ffmpeg", "-i", as_argument(wav), as_argument(path.name)]
        raise AudioError(
            f"Only wav files can be written, not {path.suffix}. Write {wav}, then convert it: "
            f"{shlex.join(words)}"
        )
    if path.is_dir():
        raise AudioError(f"{path} is a folder. Name the wav file to write in it.")
    if path.exists() and not path.is_file():
        raise AudioError(f"{path} is a pipe or a device. Name the wav file to write.")
    if not path.parent.is_dir():
        raise AudioError(
            f"There is no folder {path.parent} to write {path.name} in. Make it first."
        )
    return path


def save_wav(path: str | Path, waveform: Tensor, sample_rate: int) -> None:
    """Write a mono 16-bit wav atomically.

    Args:
        path: where to; an existing file is replaced.
        waveform: (T_wav,) or (1, T_wav); clipped to -1 and 1.
        sample_rate: Hz.

    Raises:
        AudioError: the waveform is not finite or not mono, or the file cannot be written.
    """
    path = Path(path)
    try:
        content = wav_bytes(waveform, sample_rate)
    except AudioError as error:
        raise AudioError(f"{path} is not written: {error}") from None
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        # The error's own text names the temporary file, which users do not know.
        raise AudioError(
            f"Cannot write {path}: {error.strerror}. Does the folder exist, and is the disk full?"
        ) from None


def wav_bytes(waveform: Tensor, sample_rate: int) -> bytes:
    """Encode a mono waveform as a 16-bit wav.

    Args:
        waveform: (T_wav,) or (1, T_wav); clipped to -1 and 1.
        sample_rate: Hz.

    Raises:
        AudioError: the waveform is not finite or not mono.
    """
    samples = waveform.detach().to("cpu", torch.float32)
    if samples.dim() == 2 and samples.shape[0] == 1:
        samples = samples[0]
    if samples.dim() != 1:
        raise AudioError(f"A waveform of shape {tuple(samples.shape)} is not mono.")
    if not torch.isfinite(samples).all():
        raise AudioError("The waveform has infinite or NaN values.")
    # Scaled here, because libsndfile lets values beyond 1 wrap around into loud clicks.
    pcm = (samples.clamp(-1, 1) * 32767).round().to(torch.int16).numpy()
    file = io.BytesIO()
    soundfile.write(file, pcm, sample_rate, subtype="PCM_16", format="WAV")
    return file.getvalue()
