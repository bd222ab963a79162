"""Opening of vocoders by name or by file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ponytaco.config import AudioConfig
from ponytaco.formatting import did_you_mean
from ponytaco.io.download import DownloadError
from ponytaco.io.pretrained import fetch
from ponytaco.vocoders.choice import AUTO, GRIFFIN_LIM, choose_vocoder, installed_hifigan
from ponytaco.vocoders.griffin_lim import GriffinLim
from ponytaco.vocoders.hifigan import HifiGan
from ponytaco.vocoders.waveglow import WaveGlow
from ponytaco.vocoders.weights import VocoderError, Weights, read_weights

Vocoder = Callable[[Tensor], Tensor]
"""mel (B, n_mels, T_mel) -> waveform (B, T_wav)"""

VOCODERS: Mapping[str, Callable[..., Vocoder]] = {
    GRIFFIN_LIM: GriffinLim,
    "hifigan": HifiGan,
    "waveglow": WaveGlow,
}


def open_vocoder(
    name_or_path: str | Path,
    audio: AudioConfig,
    device: str | torch.device = "cpu",
    *,
    voice: Path | None = None,
    log: Callable[[str], None] | None = None,
    cache: Path | None = None,
) -> Vocoder:
    """Open a vocoder for a voice.

    Args:
        name_or_path: 'auto', the best one that is here, see ``choose_vocoder``; 'griffin_lim',
            which needs no weights; 'hifigan' or 'waveglow', whose published weights are downloaded
            once if they are not installed; or a checkpoint of either.
        audio: settings of the voice's mels.
        device: where to compute.
        voice: the run's folder, or a file in it, which may have a vocoder of its own.
        log: takes a sentence on which vocoder 'auto' is; one when weights cannot be downloaded and
            Griffin-Lim speaks instead, which without it is an error; and one on what was assumed
            about a file.
        cache: folder of downloaded weights (~/.cache/ponytaco).

    Raises:
        VocoderError: the vocoder does not exist, its file is damaged, or it was trained on other
            mels than the voice's.
        DownloadError: its weights cannot be downloaded, and there is no ``log``.
    """
    if str(name_or_path) == AUTO:
        name_or_path, _, message = choose_vocoder(audio, voice, cache)
        if log is not None:
            log(message)
    elif str(name_or_path) == "hifigan":
        name_or_path = installed_hifigan() or name_or_path
    if str(name_or_path) == GRIFFIN_LIM:
        return GriffinLim(audio)
    if str(name_or_path) in VOCODERS:
        # Before a download: all published vocoders take these mels.
        _require_same_mels(str(name_or_path), AudioConfig(), audio)
        try:
            path = fetch(str(name_or_path), cache, log or (lambda sentence: None))
        except DownloadError as error:
            if log is None:
                raise
            for line in (*error.lines, "Until then Griffin-Lim speaks, which sounds metallic."):
                log(line)
            return GriffinLim(audio)
    else:
        check_vocoder(name_or_path)
        path = Path(name_or_path)
    weights = read_weights(path)
    vocoder = _KINDS[_kind(weights)](weights, device)
    if log is not None and isinstance(vocoder, WaveGlow) and vocoder.assumed:
        log(vocoder.assumed)
    _require_same_mels(str(path), vocoder.audio, audio)
    return vocoder


def check_vocoder(name_or_path: str | Path) -> None:
    """Check, before the work, that a vocoder exists.

    Raises:
        VocoderError: it is neither the name of a vocoder nor a file.
    """
    names = (AUTO, *VOCODERS)
    if str(name_or_path) not in names and not Path(name_or_path).is_file():
        raise VocoderError(
            f"There is no vocoder '{name_or_path}'.{did_you_mean(str(name_or_path), names)} "
            f"Choose {', '.join(names)}, or the file of a HiFi-GAN generator or a WaveGlow."
        )


_KINDS: Mapping[str, type[HifiGan] | type[WaveGlow]] = {"hifigan": HifiGan, "waveglow": WaveGlow}


def _kind(weights: Weights) -> str:
    names = weights.state.keys()
    if {"conv_pre.weight", "ups.0.weight", "conv_post.weight"} <= names:
        return "hifigan"
    if {"upsample.weight", "convinv.0.conv.weight"} <= names:
        return "waveglow"
    what = "not a HiFi-GAN or WaveGlow"
    if any(name.startswith("decoder.attention_rnn.") for name in names):
        what = "not a vocoder but a Tacotron 2, which makes mels and not sound"
    raise VocoderError(
        f"{weights.path} is {what}. Use the generator of a HiFi-GAN (its file is named g_…, not "
        "do_…) or a WaveGlow."
    )


def _require_same_mels(vocoder: str, theirs: AudioConfig, ours: AudioConfig) -> None:
    for field in dataclasses.fields(AudioConfig):
        wanted, given = getattr(theirs, field.name), getattr(ours, field.name)
        if wanted != given:
            raise VocoderError(
                f"The vocoder {vocoder} was trained on mels with {field.name} {wanted}, but the "
                f"voice's have {given}, so it would only hiss. Use griffin_lim, which fits every "
                "voice, or a vocoder trained on such mels."
            )
