"""WaveGlow: flows from noise to a waveform, conditioned on a log-mel spectrogram."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ponytaco.config import AudioConfig, ConfigError
from ponytaco.device import shapes_only
from ponytaco.vocoders.chunked import in_chunks
from ponytaco.vocoders.denoiser import Denoiser
from ponytaco.vocoders.half_precision import with_fallback
from ponytaco.vocoders.weights import VocoderError, Weights

_MOST_FLOWS = 64
_MOST_LAYERS = 16
# The upsampling kernel covers four frames in every published model; no weight tells the stride.
_FRAMES_A_KERNEL = 4
# As in NVIDIA's denoiser.
_HUM_FRAMES = 88


@dataclass(frozen=True)
class WaveGlowConfig:
    """The sizes, all from the weights' shapes."""

    n_mels: int
    upsample_kernel: int
    group_sizes: tuple[int, ...]
    """Channels of each flow; consecutive samples are grouped as channels."""
    n_layers: int
    width: int
    """Channels of a flow's layers."""
    kernel: int
    """Kernel size of these layers."""
    alternating: bool
    """Whether every other flow changes the first half, as in NVIDIA's first release."""

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.upsample_kernel // _FRAMES_A_KERNEL

    @property
    def n_group(self) -> int:
        """Samples per group."""
        return self.group_sizes[0]

    @property
    def groups_per_frame(self) -> int:
        """Groups of samples per frame."""
        return self.hop_length // self.n_group

    @property
    def margin(self) -> int:
        """Frames to either side that affect a frame's sound, the denoiser included."""
        per_flow = (self.kernel - 1) // 2 * (2**self.n_layers - 1)
        flows = math.ceil(len(self.group_sizes) * per_flow / self.groups_per_frame)
        return flows + _FRAMES_A_KERNEL + Denoiser.OVERLAP


class WaveGlow:
    """WaveGlow vocoder (Prenger, Valle and Catanzaro 2018, arXiv:1811.00002).

    Reads NVIDIA's layouts: https://github.com/NVIDIA/waveglow (a conditioning layer for each flow
    or each layer; residual and skip layers fused or not), and that of NGC.

    Args:
        weights: of ``read_weights``.
        device: where to compute; on a GPU mostly in float16.
        sigma: standard deviation of the noise; less is smoother and duller.
        denoise: strength of the denoiser, 0 for none.
        seed: of the noise; the same seed gives the same waveform.
        chunk: frames computed at once; more need more memory.

    Raises:
        VocoderError: the weights do not form a WaveGlow.
    """

    def __init__(
        self,
        weights: Weights,
        device: str | torch.device = "cpu",
        sigma: float = 0.6,
        denoise: float = 0.01,
        seed: int = 0,
        chunk: int = 800,
    ) -> None:
        self.config = _config(weights)
        self.assumed = _assumed(weights)
        try:
            self.audio = AudioConfig(n_mels=self.config.n_mels, hop_length=self.config.hop_length)
        except ConfigError as error:
            raise VocoderError(f"{weights.path} has impossible sizes: {error}") from None
        state = _same_layout(weights.state, self.config)
        with shapes_only():  # the weights are put into it
            network = Network(self.config)
        network.inverses = _inverses(weights, state, self.config)
        Weights(weights.path, state).put_into(network)
        self.sigma = sigma
        self.seed = seed
        self._chunk = chunk
        self._network = with_fallback(network, torch.device(device))
        self._denoiser: Denoiser | None = None
        if denoise:
            self._denoiser = Denoiser(self._hum(), denoise, self.config.hop_length)

    @torch.inference_mode()
    def __call__(self, mel: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Vocode a batch of log-mel spectrograms.

        Args:
            mel: (B, n_mels, T_mel), natural logarithm of magnitudes.
            noise: standard normal, in the order of the flows, each (B, channels, T_mel * groups
                per frame); if left out, drawn from the seed, the same for each clip.

        Returns:
            waveform (B, T_wav), float32, where T_wav = T_mel * hop_length, on the mel's device. A
            clip sounds the same alone and in a batch.
        """
        per_frame = self.config.groups_per_frame
        drawn = self._draw(mel.shape[-1]) if noise is None else torch.cat(list(noise), dim=1)
        drawn = self.sigma * drawn.expand(mel.shape[0], -1, -1)

        def vocode(part: Tensor, first: int) -> Tensor:
            start, length = first * per_frame, part.shape[-1] * per_frame
            waveform = self._network(part, drawn[..., start : start + length])
            return self._denoiser(waveform) if self._denoiser else waveform

        return in_chunks(vocode, mel, self.config.hop_length, self.config.margin, self._chunk)

    def _draw(self, n_frames: int) -> Tensor:
        """Draw noise (1, n_group, groups), on the CPU so that each device gets the same."""
        generator = torch.Generator().manual_seed(self.seed)
        n_groups = n_frames * self.config.groups_per_frame
        # Group by group, so that a longer clip begins with the same noise.
        return torch.randn(1, n_groups, self.config.n_group, generator=generator).transpose(1, 2)

    @torch.inference_mode()
    def _hum(self) -> Tensor:
        mel = torch.zeros(1, self.config.n_mels, _HUM_FRAMES)
        n_groups = _HUM_FRAMES * self.config.groups_per_frame
        return self._network(mel, torch.zeros(1, self.config.n_group, n_groups))[0]


class Network(nn.Module):
    """Flows from noise to sound; parameter names are the published ones."""

    inverses: list[Tensor]
    """(channels, channels) of each flow, always float32."""

    def __init__(self, config: WaveGlowConfig) -> None:
        super().__init__()
        self.config = config
        self.upsample = nn.ConvTranspose1d(
            config.n_mels, config.n_mels, config.upsample_kernel, config.hop_length
        )
        self.WN = nn.ModuleList(Coupling(config, size // 2) for size in config.group_sizes)

    def forward(self, mel: Tensor, noise: Tensor) -> Tensor:
        """Map mel (B, n_mels, T_mel) and float32 noise (B, n_group, groups) to (B, T_wav)."""
        config = self.config
        conditioning = self._conditioning(mel)
        sizes = config.group_sizes
        audio, taken = noise[:, : sizes[-1]], sizes[-1]
        for k in reversed(range(len(sizes))):
            half = sizes[k] // 2
            first, second = audio[:, :half], audio[:, half:]
            turned = config.alternating and k % 2 == 1
            still, moved = (second, first) if turned else (first, second)
            # The flows stay in float32: their rounding would be audible as noise.
            shift, scale = self.WN[k](still.to(mel.dtype), conditioning).float().split(half, dim=1)
            moved = (moved - shift) * torch.exp(-scale)
            audio = torch.cat([moved, still] if turned else [still, moved], dim=1)
            audio = self.inverses[k].to(audio.device) @ audio
            if k and sizes[k - 1] > sizes[k]:
                early = sizes[k - 1] - sizes[k]
                audio = torch.cat([noise[:, taken : taken + early], audio], dim=1)
                taken += early
        return audio.transpose(1, 2).flatten(1)

    def _conditioning(self, mel: Tensor) -> Tensor:
        """Upsample a mel to every group of samples: (B, n_mels * n_group, groups)."""
        n_samples = mel.shape[-1] * self.config.hop_length
        samples = self.upsample(mel)[..., :n_samples]  # the rest is the last kernel's tail
        grouped = samples.unflatten(-1, (-1, self.config.n_group))
        return grouped.transpose(2, 3).flatten(1, 2)


class Coupling(nn.Module):
    """WaveNet layers: one half of the channels and the mel to the other half's affine change.

    Args:
        config: the sizes.
        half: input channels.
    """

    def __init__(self, config: WaveGlowConfig, half: int) -> None:
        super().__init__()
        width, n_layers = config.width, config.n_layers
        self.start = nn.Conv1d(half, width, 1)
        self.end = nn.Conv1d(width, 2 * half, 1)
        self.in_layers, self.cond_layers, self.res_skip_layers = (nn.ModuleList() for _ in range(3))
        for i in range(n_layers):
            reach = (config.kernel - 1) // 2 * 2**i
            self.in_layers.append(
                nn.Conv1d(width, 2 * width, config.kernel, dilation=2**i, padding=reach)
            )
            self.cond_layers.append(nn.Conv1d(config.n_mels * config.n_group, 2 * width, 1))
            n_out = 2 * width if i < n_layers - 1 else width
            self.res_skip_layers.append(nn.Conv1d(width, n_out, 1))

    def forward(self, x: Tensor, conditioning: Tensor) -> Tensor:
        """Map (B, half, groups) to shift and log-scale (B, 2 * half, groups)."""
        x = self.start(x)
        width = x.shape[1]
        total = torch.zeros_like(x)
        layers = zip(self.in_layers, self.cond_layers, self.res_skip_layers, strict=True)
        for inner, condition, out in layers:
            # One layer's conditioning at a time: all at once would be the largest tensor.
            both = inner(x).add_(condition(conditioning))
            y = out(torch.tanh(both[:, :width]).mul_(torch.sigmoid(both[:, width:])))
            if y.shape[1] > width:
                x = x + y[:, :width]
                y = y[:, width:]
            total += y
        return self.end(total)


def _config(weights: Weights) -> WaveGlowConfig:
    state = weights.state

    def shape(name: str) -> tuple[int, ...]:
        value = state.get(name)
        if value is None or value.dim() != 3:
            raise VocoderError(f"{weights.path} is not a WaveGlow: it has no {name}.")
        return tuple(value.shape)

    n_flows = weights.count("convinv.{}.conv.weight")
    sizes = tuple(shape(f"convinv.{k}.conv.weight")[0] for k in range(n_flows))
    upsample, first = shape("upsample.weight"), shape("WN.0.in_layers.0.weight")
    config = WaveGlowConfig(
        n_mels=upsample[0],
        upsample_kernel=upsample[2],
        group_sizes=sizes,
        n_layers=weights.count("WN.0.in_layers.{}.weight"),
        width=first[1],
        kernel=first[2],
        # The module of the pickled classes tells; weights alone do not.
        alternating=weights.class_name.startswith("glow_old."),
    )
    if (
        not 1 <= n_flows <= _MOST_FLOWS
        or not 1 <= config.n_layers <= _MOST_LAYERS
        or any(size < 2 or size % 2 for size in sizes)
        or any(later > size for size, later in zip(sizes, sizes[1:], strict=False))
        or config.kernel % 2 == 0
        or config.upsample_kernel % (_FRAMES_A_KERNEL * sizes[0])
    ):
        raise VocoderError(
            f"{weights.path} has sizes impossible for a WaveGlow. Download it again."
        )
    return config


def _assumed(weights: Weights) -> str:
    """Return a sentence on what was assumed about weights without their program; '' if nothing.

    NVIDIA's first release, waveglow_old.pt, changes either half in turn. Its weights look like
    those of the programs after it: at first with residual and skip layers apart, then with a
    conditioning layer for each layer, as NGC's.

    Raises:
        VocoderError: if they may as well be of the first release.
    """
    if weights.class_name or weights.has_config:
        return ""
    if any(".skip_layers." in name for name in weights.state):
        raise VocoderError(
            f"{weights.path} is a WaveGlow in its oldest layout, which two programs play in two "
            "ways, and weights alone do not tell which is theirs: the wrong one would hiss. Use "
            "the file as NVIDIA published it, whole, or a newer WaveGlow: ponytaco fetch waveglow"
        )
    if any(".cond_layers." in name for name in weights.state):
        return (
            f"{weights.path} does not name its program and is played as NGC's WaveGlow; if it "
            "hisses, it is of NVIDIA's first release, whose whole file names it."
        )
    return ""


def _same_layout(state: Mapping[str, Tensor], config: WaveGlowConfig) -> dict[str, Tensor]:
    """Convert weights to a conditioning layer for each layer, residual and skip fused."""
    same = {
        name: value
        for name, value in state.items()
        if not any(f".{part}" in name for part in ("cond_layer.", "res_layers.", "skip_layers."))
        or ".res_skip_layers." in name
    }
    for k in range(len(config.group_sizes)):
        for part in ("weight", "bias"):
            stem = f"WN.{k}."
            together = state.get(f"{stem}cond_layer.{part}")
            if together is not None:
                for i, piece in enumerate(together.split(2 * config.width)):
                    same[f"{stem}cond_layers.{i}.{part}"] = piece
            for i in range(config.n_layers):
                pieces = [state.get(f"{stem}{kind}_layers.{i}.{part}") for kind in ("res", "skip")]
                found = [piece for piece in pieces if piece is not None]
                if found:
                    same[f"{stem}res_skip_layers.{i}.{part}"] = torch.cat(found)
    return same


def _inverses(weights: Weights, state: dict[str, Tensor], config: WaveGlowConfig) -> list[Tensor]:
    """Invert the invertible convolutions, and remove them from the state."""
    inverses = []
    for k, size in enumerate(config.group_sizes):
        matrix = state.pop(f"convinv.{k}.conv.weight")
        try:
            inverses.append(torch.linalg.inv(matrix.view(size, size).double()).float())
        except RuntimeError:
            raise VocoderError(
                f"{weights.path} is damaged: convinv.{k} cannot be inverted. Download it again."
            ) from None
    return inverses
