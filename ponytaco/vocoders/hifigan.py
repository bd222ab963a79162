"""HiFi-GAN's generator: log-mel spectrogram to waveform."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ponytaco.config import AudioConfig, ConfigError
from ponytaco.device import shapes_only
from ponytaco.io.strangers import LINK_OUTSIDE, inside
from ponytaco.io.text_files import read_text
from ponytaco.printable import brief
from ponytaco.vocoders.chunked import in_chunks
from ponytaco.vocoders.half_precision import with_fallback
from ponytaco.vocoders.weights import VocoderError, Weights

_SLOPE = 0.1
# The published code leaves the last slope at torch's default.
_LAST_SLOPE = 0.01
_EDGE_KERNEL = 7

# The weights' shapes do not tell dilations: the published ones, by resblock type and kernel.
_DILATIONS: Mapping[str, Mapping[int, tuple[int, ...]]] = {
    "1": {3: (1, 3, 5), 7: (1, 3, 5), 11: (1, 3, 5)},
    "2": {3: (1, 2), 5: (2, 6), 7: (3, 12)},
}
_MOST_LAYERS = 16
# On a CPU oneDNN keeps memory for each shape that it has met: without limit for chunks of any
# length up to 1,000 frames (1.3 GB after 20 sentences), 130 MB for these, in 1.07 of the time.
# bfloat16 would be no faster (0.85 of the speed), and the time is that of the arithmetic.
_CPU_FRAMES, _PADDED_TO = 256, 64
_GPU_CHUNK = 1000
_MOST_CONFIG_BYTES = 2**20
# Names of the mel settings in the published config.json, and ours.
_AUDIO = {
    "sampling_rate": "sample_rate", "n_fft": "n_fft", "hop_size": "hop_length",
    "win_size": "win_length", "num_mels": "n_mels", "fmin": "f_min", "fmax": "f_max",
}  # fmt: skip


@dataclass(frozen=True)
class HifiGanConfig:
    """The generator's sizes, named as in the published config.json."""

    resblock: str
    """'1': two convolutions for each dilation (V1, V2); '2': one (V3)."""
    upsample_rates: tuple[int, ...]
    upsample_kernel_sizes: tuple[int, ...]
    upsample_initial_channel: int
    resblock_kernel_sizes: tuple[int, ...]
    resblock_dilation_sizes: tuple[tuple[int, ...], ...]
    num_mels: int = 80

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return math.prod(self.upsample_rates)

    @property
    def margin(self) -> int:
        """Frames to either side that affect a frame's sound."""
        radius = _EDGE_KERNEL // 2
        for rate, kernel in zip(
            reversed(self.upsample_rates), reversed(self.upsample_kernel_sizes), strict=True
        ):
            radius += max(self._resblock_radii())
            padding = (kernel - rate) // 2
            radius = math.ceil((radius + kernel - 1 - padding) / rate)
        return radius + _EDGE_KERNEL // 2

    def _resblock_radii(self) -> list[int]:
        both = self.resblock == "1"
        return [
            sum((kernel - 1) // 2 * (dilation + both) for dilation in dilations)
            for kernel, dilations in zip(
                self.resblock_kernel_sizes, self.resblock_dilation_sizes, strict=True
            )
        ]


class HifiGan:
    """HiFi-GAN vocoder (Kong, Kim and Bae 2020, arXiv:2010.05646), V1 to V3 and similar sizes.

    Source of the layout: https://github.com/jik876/hifi-gan.

    Args:
        weights: of ``read_weights``; the sizes come from the config.json beside the file, or
            else from the weights' shapes.
        device: where to compute; on a GPU in float16.
        chunk: frames computed at once, besides margins; more need more memory. By default 1,000 on
            a GPU, and on a CPU 256 with the margins.

    Raises:
        VocoderError: the weights do not form such a generator.
    """

    def __init__(
        self, weights: Weights, device: str | torch.device = "cpu", chunk: int | None = None
    ) -> None:
        beside = _config_beside(weights.path)
        self.config = _config(weights, beside)
        self.audio = _audio(weights.path, self.config, beside)
        with shapes_only():  # a config may claim any size
            network = Generator(self.config)
        weights.put_into(network)
        self._network = with_fallback(network, torch.device(device))
        on_cpu = torch.device(device).type == "cpu"
        self._padded_to = _PADDED_TO if on_cpu else 1
        least = max(_PADDED_TO, _CPU_FRAMES - 2 * self.config.margin)
        self._chunk = chunk or (least if on_cpu else _GPU_CHUNK)

    @torch.inference_mode()
    def __call__(self, mel: Tensor) -> Tensor:
        """Vocode a batch of log-mel spectrograms.

        Args:
            mel: (B, n_mels, T_mel), natural logarithm of magnitudes.

        Returns:
            waveform (B, T_wav), float32, from -1 to 1, where T_wav = T_mel * hop_length, on the
            mel's device.
        """
        return in_chunks(
            lambda part, _: self._padded(part),
            mel,
            self.config.hop_length,
            self.config.margin,
            self._chunk,
        )

    def _padded(self, mel: Tensor) -> Tensor:
        n_frames = mel.shape[-1]
        mel = functional.pad(mel, (0, -n_frames % self._padded_to))
        return self._network(mel, n_frames=n_frames)


class Generator(nn.Module):
    """Generator network with weight norm folded; parameter names are the published ones."""

    def __init__(self, config: HifiGanConfig) -> None:
        super().__init__()
        width = config.upsample_initial_channel
        self.conv_pre = _same_length(config.num_mels, width, _EDGE_KERNEL)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            self.ups.append(
                nn.ConvTranspose1d(width, width // 2, kernel, rate, padding=(kernel - rate) // 2)
            )
            width //= 2
            for size, dilations in zip(
                config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True
            ):
                self.resblocks.append(ResBlock(width, size, dilations, config.resblock == "1"))
        self.rates = config.upsample_rates
        self.n_kernels = len(config.resblock_kernel_sizes)
        self.conv_post = _same_length(width, 1, _EDGE_KERNEL)

    def forward(self, mel: Tensor, n_frames: int | None = None) -> Tensor:
        """Turn a mel into a waveform.

        Args:
            mel: (B, n_mels, T_mel), zero from ``n_frames`` on.
            n_frames: frames that count, as if there were no others; all by default.

        Returns:
            (B, T_wav) of the frames that count.
        """
        length = mel.shape[-1] if n_frames is None else n_frames
        x = _ended(self.conv_pre(mel), length)
        for i, (up, rate) in enumerate(zip(self.ups, self.rates, strict=True)):
            length *= rate
            x = _ended(up(functional.leaky_relu(x, _SLOPE)), length)
            blocks = self.resblocks[i * self.n_kernels : (i + 1) * self.n_kernels]
            total = blocks[0](x, length)
            for block in blocks[1:]:
                total += block(x, length)
            x = total / self.n_kernels
        x = self.conv_post(functional.leaky_relu(x, _LAST_SLOPE))
        return torch.tanh(x)[:, 0, :length]


class ResBlock(nn.Module):
    """Residual block of dilated convolutions.

    Args:
        width: channels.
        kernel: samples.
        dilations: one for each residual step.
        both: whether an undilated convolution follows each dilated one.
    """

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...], both: bool) -> None:
        super().__init__()
        dilated = [_same_length(width, width, kernel, dilation) for dilation in dilations]
        if both:
            self.convs1 = nn.ModuleList(dilated)
            self.convs2 = nn.ModuleList(_same_length(width, width, kernel) for _ in dilations)
        else:
            self.convs = nn.ModuleList(dilated)
        self.both = both

    def forward(self, x: Tensor, length: int) -> Tensor:
        """Map (B, width, T) to the same shape; from ``length`` on it is zero, and stays so."""
        for i, dilated in enumerate(self.convs1 if self.both else self.convs):
            y = _ended(dilated(functional.leaky_relu(x, _SLOPE)), length)
            if self.both:
                y = _ended(self.convs2[i](functional.leaky_relu(y, _SLOPE)), length)
            x = x + y
        return x


def _ended(x: Tensor, length: int) -> Tensor:
    """Set what lies beyond the end to zero, as every convolution pads."""
    x[..., length:] = 0.0
    return x


def _same_length(n_in: int, n_out: int, kernel: int, dilation: int = 1) -> nn.Conv1d:
    padding = (kernel - 1) // 2 * dilation
    return nn.Conv1d(n_in, n_out, kernel, padding=padding, dilation=dilation)


def _config_beside(path: Path) -> dict[str, Any]:
    """Read the published config.json beside a file; {} where there is none of HiFi-GAN's."""
    beside = path.with_name("config.json")
    if not beside.is_file():
        return {}
    # A cache of downloads may hold links to both files, side by side.
    if not inside(path.parent)(beside) and beside.resolve().parent != path.resolve().parent:
        raise VocoderError(f"{beside} {LINK_OUTSIDE}. Put the file itself there.")
    text = read_text(beside, VocoderError, _MOST_CONFIG_BYTES)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also numbers of thousands of digits
        reason = "nested too deep" if isinstance(error, RecursionError) else brief(str(error), 100)
        raise VocoderError(f"Cannot read {beside}: it is not JSON ({reason}).") from None
    # It may belong to something else, such as a run.
    return content if isinstance(content, dict) and "upsample_rates" in content else {}


def _config(weights: Weights, beside: Mapping[str, Any]) -> HifiGanConfig:
    config = _inferred(weights)
    try:
        named = {
            field.name: _tuples(beside[field.name])
            for field in dataclasses.fields(HifiGanConfig)
            if field.name in beside
        }
        if "resblock" in named:
            named["resblock"] = brief(named["resblock"])
        config = dataclasses.replace(config, **named)
        _check(config)
    except (TypeError, ValueError) as error:
        raise VocoderError(
            f"The sizes of the HiFi-GAN {weights.path} are not understood ({error}). Put the "
            "config.json that was published with it beside it."
        ) from None
    return config


def _inferred(weights: Weights) -> HifiGanConfig:
    """Infer the sizes from the weights' shapes, for files without a config.json."""
    state = weights.state
    kind = "1" if "resblocks.0.convs1.0.weight" in state else "2"
    stem = "resblocks.{}.convs1" if kind == "1" else "resblocks.{}.convs"
    n_ups = weights.count("ups.{}.weight")
    n_kernels = weights.count(stem + ".0.weight") // max(1, n_ups)
    up_kernels = tuple(_width(state, f"ups.{i}.weight", 2) for i in range(n_ups))
    kernels = tuple(_width(state, stem.format(i) + ".0.weight", 2) for i in range(n_kernels))
    return HifiGanConfig(
        resblock=kind,
        upsample_rates=tuple(kernel // 2 for kernel in up_kernels),  # as in V1 to V3
        upsample_kernel_sizes=up_kernels,
        upsample_initial_channel=_width(state, "conv_pre.weight", 0),
        resblock_kernel_sizes=kernels,
        resblock_dilation_sizes=tuple(_DILATIONS[kind].get(kernel, ()) for kernel in kernels),
        num_mels=_width(state, "conv_pre.weight", 1),
    )


def _width(state: Mapping[str, Tensor], name: str, axis: int) -> int:
    value = state.get(name)
    return value.shape[axis] if value is not None and value.dim() == 3 else 0


def _tuples(value: Any, depth: int = 2) -> Any:
    """Turn lists into tuples, no deeper than the sizes are: what lies deeper is no size."""
    if isinstance(value, list) and depth:
        return tuple(_tuples(part, depth - 1) for part in value)
    return value


def _check(config: HifiGanConfig) -> None:
    """Raise ValueError for impossible sizes."""
    ups, blocks = config.upsample_rates, config.resblock_kernel_sizes
    if config.resblock not in _DILATIONS:
        raise ValueError(f"resblock is {config.resblock}")
    for name, many in (("upsample_rates", ups), ("resblock_kernel_sizes", blocks)):
        if not 1 <= len(many) <= _MOST_LAYERS:
            raise ValueError(f"{name} has {len(many)} numbers")
    if len(config.upsample_kernel_sizes) != len(ups):
        raise ValueError("upsample_rates and upsample_kernel_sizes differ in number")
    if len(config.resblock_dilation_sizes) != len(blocks):
        raise ValueError("resblock_kernel_sizes and resblock_dilation_sizes differ in number")
    dilations = [d for sizes in config.resblock_dilation_sizes for d in sizes]
    sizes = [config.upsample_initial_channel, config.num_mels]
    for number in (*ups, *config.upsample_kernel_sizes, *blocks, *dilations, *sizes):
        if type(number) is not int or not 1 <= number <= 2**16:
            raise ValueError(f"{brief(number)} is not a size")
    if not all(1 <= len(sizes) <= _MOST_LAYERS for sizes in config.resblock_dilation_sizes):
        raise ValueError("its dilations cannot be inferred")
    if any(kernel % 2 == 0 for kernel in blocks):
        raise ValueError("a kernel of even size")
    for rate, kernel in zip(ups, config.upsample_kernel_sizes, strict=True):
        if kernel < rate or (kernel - rate) % 2:
            raise ValueError(f"a kernel of {kernel} for {rate} samples")


def _audio(path: Path, config: HifiGanConfig, beside: Mapping[str, Any]) -> AudioConfig:
    """Return the mel settings it was trained on: its config.json's, or else NVIDIA's."""
    try:
        named = {
            ours: _number(beside, theirs) for theirs, ours in _AUDIO.items() if theirs in beside
        }
        if "f_max" in named and named["f_max"] is None:  # as librosa has it
            named["f_max"] = named.get("sample_rate", AudioConfig.sample_rate) / 2
        known = {"n_mels": config.num_mels, "hop_length": config.hop_length}
        audio = AudioConfig(**{**named, **known})
    except (ConfigError, OverflowError) as error:
        raise VocoderError(f"The config.json beside {path} is not understood: {error}") from None
    return dataclasses.replace(audio, f_min=float(audio.f_min), f_max=float(audio.f_max))


def _number(beside: Mapping[str, Any], name: str) -> Any:
    """Return a mel setting: a number, or None for an "fmax" that is null."""
    value, kind = beside[name], type(beside[name])
    is_edge = name in ("fmin", "fmax")
    if kind is int or (is_edge and kind is float) or (name == "fmax" and value is None):
        return value
    shown = f'the text "{brief(value)}"' if kind is str else brief(value)
    raise ConfigError(f"its {name} is {shown}, not a {'' if is_edge else 'whole '}number.")
