"""Every setting in one place: audio, model and training, with presets, as json in and out."""

from __future__ import annotations

import dataclasses
import itertools
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from ponytaco.errors import PonytacoError


class ConfigError(PonytacoError):
    """A setting is unknown, of the wrong type, or contradicts another."""


def _setting(default: Any, doc: str) -> Any:
    """A dataclass field whose ``doc`` is also the command line's help."""
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class AudioConfig:
    """How a waveform becomes a log-mel spectrogram; the defaults are NVIDIA's Tacotron 2's."""

    sample_rate: int = _setting(22_050, "Samples per second of the clips, Hz.")
    n_fft: int = _setting(1024, "FFT size, samples.")
    hop_length: int = _setting(256, "Samples from one mel frame to the next (11.6 ms).")
    win_length: int = _setting(1024, "Hann window, samples.")
    n_mels: int = _setting(80, "Mel bands.")
    f_min: float = _setting(0.0, "Lower edge of the lowest mel band, Hz.")
    f_max: float = _setting(8000.0, "Upper edge of the highest mel band, Hz.")

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        if self.win_length > self.n_fft:
            raise ConfigError(f"win_length {self.win_length} is larger than n_fft {self.n_fft}.")
        if not 0 <= self.f_min < self.f_max <= self.sample_rate / 2:
            raise ConfigError(
                f"f_min {self.f_min} and f_max {self.f_max} must satisfy "
                f"0 <= f_min < f_max <= sample_rate / 2 = {self.sample_rate / 2}."
            )
        _require_positive(self, "sample_rate", "n_fft", "hop_length", "win_length", "n_mels")
        _require_at_most(self, 2**16, "n_fft")
        _require_at_most(self, 1024, "n_mels")
        _require_at_most(self, 400_000, "sample_rate")


@dataclass(frozen=True)
class ModelConfig:
    """Tacotron 2's sizes; the names and the defaults are those of the published models."""

    head: str = _setting(
        "mmi", "Decoder's output head: 'mmi' (bfs18, feeds the recogniser) or 'plain' (NVIDIA)."
    )
    symbols_embedding_dim: int = _setting(512, "Width of a symbol's embedding.")
    encoder_embedding_dim: int = _setting(512, "Width of the memory; even, half each direction.")
    encoder_kernel_size: int = _setting(5, "Encoder convolutions' kernel, symbols; odd.")
    encoder_n_convolutions: int = _setting(3, "Encoder convolutions.")
    attention_rnn_dim: int = _setting(1024, "Width of the attention LSTM.")
    decoder_rnn_dim: int = _setting(1024, "Width of the decoder LSTM.")
    prenet_dim: int = _setting(256, "Width of the prenet.")
    attention_dim: int = _setting(128, "Width of the attention's energy layer.")
    attention_location_n_filters: int = _setting(32, "Location convolution's filters.")
    attention_location_kernel_size: int = _setting(31, "Location convolution's kernel; odd.")
    postnet_embedding_dim: int = _setting(512, "Postnet's channels.")
    postnet_kernel_size: int = _setting(5, "Postnet's kernel, frames; odd.")
    postnet_n_convolutions: int = _setting(5, "Postnet's convolutions.")
    n_frames_per_step: int = _setting(1, "Mel frames that one decoder step makes (r).")
    p_encoder_dropout: float = _setting(0.5, "Dropout after each encoder convolution.")
    p_prenet_dropout: float = _setting(0.5, "Prenet's dropout; stays on in synthesis by design.")
    p_attention_dropout: float = _setting(0.1, "Dropout on the attention LSTM's output.")
    p_decoder_dropout: float = _setting(0.1, "Dropout on the decoder LSTM's output.")
    p_head_dropout: float = _setting(0.5, "Dropout inside the 'mmi' head.")
    p_postnet_dropout: float = _setting(0.5, "Dropout after each postnet convolution.")
    p_ctc_dropout: float = _setting(0.5, "Dropout inside the CTC recogniser.")

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        if self.head not in ("mmi", "plain"):
            raise ConfigError(f"head is '{self.head}'; it can be 'mmi' or 'plain'.")
        if self.encoder_embedding_dim % 2:
            raise ConfigError(f"encoder_embedding_dim {self.encoder_embedding_dim} must be even.")
        for name in (
            "encoder_kernel_size",
            "attention_location_kernel_size",
            "postnet_kernel_size",
        ):
            if getattr(self, name) % 2 == 0:
                raise ConfigError(f"{name} {getattr(self, name)} must be odd.")
        if self.postnet_n_convolutions < 2:
            raise ConfigError("postnet_n_convolutions must be at least 2.")
        counts = [f.name for f in dataclasses.fields(self) if f.type == "int"]
        _require_positive(self, *counts)
        # Far beyond any use: these bound what a stranger's checkpoint can ask for.
        _require_at_most(self, 2**15, *counts)
        _require_at_most(self, 64, "encoder_n_convolutions", "postnet_n_convolutions")
        _require_rate(self, *(f.name for f in dataclasses.fields(self) if f.name.startswith("p_")))


@dataclass(frozen=True)
class TrainConfig:
    """How a run learns, validates and saves."""

    seed: int = _setting(1234, "Seed of the weights, the data order and the dropouts.")
    batch_size: int = _setting(32, "Clips a step.")
    learning_rate: float = _setting(1e-3, "Learning rate after the warm-up.")
    attention_learning_rate_scale: float = _setting(
        3.0, "Learning rate of the attention layer, as a multiple of that of all else."
    )
    warmup_steps: int = _setting(0, "Steps over which the learning rate rises linearly.")
    decay_start: int = _setting(15_000, "Step from which the learning rate decays.")
    decay_steps: int = _setting(8_000, "Steps in which the decaying learning rate falls to 1/e.")
    min_learning_rate: float = _setting(1e-5, "Floor of the decaying learning rate.")
    weight_decay: float = _setting(1e-6, "Adam's L2 penalty.")
    ema_decay: float = _setting(
        0.98,
        "What the mean of the weights keeps of itself in a step; the mean is what speaks and is "
        "validated. 0 takes each step's own weights.",
    )
    max_grad_norm: float = _setting(1.0, "Gradients are clipped to this norm.")
    max_steps: int = _setting(20_000, "Step at which the run is finished.")
    max_minutes: float = _setting(
        0.0, "Minutes after which a session validates, saves and stops; 0 is no limit."
    )
    validate_every: int = _setting(250, "Steps from one validation to the next.")
    save_every_minutes: float = _setting(10.0, "Minutes from one save to the next.")
    gate_weight: float = _setting(
        8.0, "Weight of the gate's positive frames, of which a clip has one in hundreds."
    )
    mmi: bool = _setting(True, "Train the CTC recogniser on the decoder's output (head 'mmi').")
    max_gaf: float = _setting(0.5, "Cap of the gradient-adaptive factor before alignment.")
    max_gaf_aligned: float = _setting(
        0.1, "Cap once aligned: larger CTC gradients have been seen to undo the alignment."
    )
    gaf_every: int = _setting(10, "Steps from one refresh of the factor to the next.")
    drop_frame_rate: float = _setting(
        0.35, "Share of teacher frames replaced by the data set's mean frame."
    )
    p_teacher_forcing: float = _setting(
        1.0,
        "Probability that a window of frames is fed the true frames, once aligned; until then 1.",
    )
    teacher_forcing_fade_steps: int = _setting(
        1000, "Steps over which that probability falls from 1 once aligned."
    )
    teacher_forcing_window: int = _setting(50, "Frames in such a window.")
    guidance_weight: float = _setting(
        2.0, "Weight of the attention guidance until aligned; 0 switches it off."
    )
    guidance_fade_steps: int = _setting(
        1000, "Steps over which guidance fades once aligned, and comes back if alignment is lost."
    )
    attention_forcing: float = _setting(
        0.5,
        "Share of clips in which attention is told where it should have been before, as long as "
        "it is guided: it learns to go on from a place long before it finds one by itself.",
    )
    p_arpabet: float = _setting(
        0.5, "Probability that a clip is read from its ARPAbet text where it has one."
    )
    arpabet_first_steps: int = _setting(
        1000,
        "As long as attention is guided, but for at most so many steps, clips that have ARPAbet "
        "are read from it alone: phones have times of their own, and attention aligns earlier.",
    )
    reduce_frames_to: str = _setting(
        "",
        "Smaller numbers of frames a step to go on with once aligned, as '2,1'; empty keeps "
        "n_frames_per_step.",
    )
    reduce_frames_after: int = _setting(
        300, "Steps for which the voice must have been aligned before it goes on with the next one."
    )
    freeze_encoder_steps: int = _setting(
        0, "Steps in which embedding and encoder stay as a warm start brought them."
    )
    freeze_attention_steps: int = _setting(
        0, "Steps in which attention and its LSTM stay as a warm start brought them."
    )
    cleaner: str = _setting("english", "Text cleaner: 'english', 'transliteration' or 'basic'.")
    max_clip_seconds: float = _setting(0.0, "Leave out longer clips in training; 0 keeps all.")
    loader_workers: int = _setting(0, "Processes that load clips; 0 loads beside the step.")
    precision: str = _setting(
        "auto",
        "Type of the large products: 'float32', 'bfloat16' or 'float16'; 'auto' is float32 on a "
        "CPU, bfloat16 on a GPU that has it, float16 on an older one.",
    )
    device: str = _setting("auto", "'auto' takes CUDA when there is one; else 'cpu', 'cuda:1' ….")

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        precisions = ("auto", "float32", "bfloat16", "float16")
        if self.precision not in precisions:
            raise ConfigError(f"precision is '{self.precision}'; there are: {_names(precisions)}.")
        cleaners = ("english", "transliteration", "basic")
        if self.cleaner not in cleaners:
            raise ConfigError(f"cleaner is '{self.cleaner}'; there are: {_names(cleaners)}.")
        _require_positive(
            self,
            "batch_size",
            "learning_rate",
            "attention_learning_rate_scale",
            "decay_steps",
            "max_grad_norm",
            "max_steps",
            "validate_every",
            "gate_weight",
            "gaf_every",
            "teacher_forcing_window",
            "save_every_minutes",
        )
        _require_rate(
            self, "drop_frame_rate", "p_teacher_forcing", "p_arpabet", "attention_forcing",
            "ema_decay",
        )  # fmt: skip
        for name in (
            "warmup_steps",
            "decay_start",
            "min_learning_rate",
            "weight_decay",
            "max_gaf",
            "max_gaf_aligned",
            "guidance_weight",
            "guidance_fade_steps",
            "arpabet_first_steps",
            "teacher_forcing_fade_steps",
            "reduce_frames_after",
            "freeze_encoder_steps",
            "freeze_attention_steps",
            "max_clip_seconds",
            "loader_workers",
            "max_minutes",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it cannot be negative.")
        frames = (*self.reduced_frames, 0)
        if any(later >= earlier for earlier, later in itertools.pairwise(frames)):
            raise _wrong_frames(self.reduce_frames_to)

    @property
    def reduced_frames(self) -> tuple[int, ...]:
        """The numbers of frames a step that ``reduce_frames_to`` names, in turn.

        Raises:
            ConfigError: it names something else.
        """
        words = self.reduce_frames_to.split(",") if self.reduce_frames_to.strip() else []
        try:
            return tuple(int(word) for word in words)
        except ValueError:
            raise _wrong_frames(self.reduce_frames_to) from None


@dataclass(frozen=True)
class Config:
    """A run's settings; a checkpoint carries them, so that it rebuilds its own model."""

    audio: AudioConfig = field(default_factory=AudioConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        """Refuse sections that contradict each other."""
        first, *reduced = self.frames_per_step
        if reduced and reduced[0] >= first:
            raise ConfigError(
                f"reduce_frames_to '{self.train.reduce_frames_to}' does not go below "
                f"n_frames_per_step {first}. Change one of them, or leave reduce_frames_to empty."
            )

    @property
    def frames_per_step(self) -> tuple[int, ...]:
        """Mel frames a decoder step, in the order in which a run comes to them."""
        return (self.model.n_frames_per_step, *self.train.reduced_frames)

    def reduced_to(self, n_frames_per_step: int) -> Config:
        """The settings of a run that has come to a number of frames a step.

        What they describe is the model as it is then, and the reductions that are still to come.

        Args:
            n_frames_per_step: one of ``frames_per_step``.
        """
        if n_frames_per_step == self.model.n_frames_per_step:
            return self
        to_come = [str(n) for n in self.train.reduced_frames if n < n_frames_per_step]
        return self.replace(n_frames_per_step=n_frames_per_step, reduce_frames_to=",".join(to_come))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The settings as plain values, section by section."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, sections: Mapping[str, Mapping[str, Any]]) -> Config:
        """The inverse of ``to_dict``; settings that are missing take their defaults.

        Raises:
            ConfigError: a section or a setting is unknown or has a wrong value.
        """
        if not isinstance(sections, Mapping):
            raise ConfigError("The settings are not a table of sections.")
        changes: dict[str, Any] = {}
        for section, values in sections.items():
            if section not in _SECTIONS:
                raise ConfigError(f"Unknown section '{section}'. There are: {_names(_SECTIONS)}.")
            if not isinstance(values, Mapping):
                raise ConfigError(f"Section '{section}' is not a table of settings.")
            for name in values:
                if section_of(name) != section:
                    raise ConfigError(f"'{section}' has no setting '{name}'.")
            changes.update(values)
        # All at once, for sections may only fit together.
        return cls().replace(**changes)

    def to_json(self) -> str:
        """The settings as indented json."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Config:
        """The inverse of ``to_json``.

        Raises:
            ConfigError: not json, or not these settings.
        """
        try:
            return cls.from_dict(json.loads(text))
        except ConfigError:
            raise
        except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
            raise ConfigError(f"The settings are not json: {str(error)[:100]}.") from None

    def replace(self, **values: Any) -> Config:
        """A copy with some settings changed, whichever section they are in.

        Text is read as the setting's type, so that command lines and forms can pass it on.

        Raises:
            ConfigError: a setting is unknown or has a wrong value.
        """
        changed: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            section = section_of(name)
            kind = get_type_hints(_SECTIONS[section])[name]
            changed.setdefault(section, {})[name] = _coerce(name, value, kind)
        sections = {
            section: dataclasses.replace(getattr(self, section), **fields)
            for section, fields in changed.items()
        }
        return dataclasses.replace(self, **sections)


_SECTIONS: Mapping[str, type] = types.MappingProxyType(
    {"audio": AudioConfig, "model": ModelConfig, "train": TrainConfig}
)


def section_of(name: str) -> str:
    """The section ('audio', 'model' or 'train') that a setting is in.

    Raises:
        ConfigError: no section has it; the message names the closest ones.
    """
    for section, kind in _SECTIONS.items():
        if name in {f.name for f in dataclasses.fields(kind)}:
            return section
    import difflib  # only the way to a good error message needs it

    known = [doc[0] for doc in describe()]
    close = difflib.get_close_matches(name, known, n=3)
    close += [other for other in known if len(name) > 2 and name in other and other not in close]
    hint = (
        f" Did you mean {_names(close[:6])}?" if close else " ponytaco train --help lists them all."
    )
    raise ConfigError(f"There is no setting '{name}'.{hint}")


def describe() -> list[tuple[str, str, Any, str]]:
    """Every setting as (name, type's name, default, doc), in order: the command line's help."""
    return [
        (f.name, str(f.type), f.default, f.metadata["doc"])
        for kind in _SECTIONS.values()
        for f in dataclasses.fields(kind)
    ]


def parse_settings(pairs: typing.Iterable[str]) -> dict[str, str]:
    """Read ``name=value`` words, as ``--set`` takes them.

    Raises:
        ConfigError: a word is not of that form.
    """
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"'{pair}' is not a setting: write name=value.")
        settings[name.strip()] = value.strip()
    return settings


def _names(names: typing.Iterable[str]) -> str:
    return ", ".join(names)


def _coerce(name: str, value: Any, kind: type) -> Any:
    try:
        if kind is bool:
            if isinstance(value, bool):
                return value
            return {
                "true": True,
                "yes": True,
                "1": True,
                "on": True,
                "false": False,
                "no": False,
                "0": False,
                "off": False,
            }[str(value).lower()]
        if kind is int:
            if isinstance(value, bool):
                raise ValueError
            if isinstance(value, float):
                if value != int(value):
                    raise ValueError
                return int(value)
            try:
                return int(value)
            except ValueError:  # '1e4' and '12.0' are whole numbers too
                return _coerce(name, float(value), int)
        if kind is float:
            if isinstance(value, bool) or not abs(float(value)) < float("inf"):
                raise ValueError
            return float(value)
        if not isinstance(value, str):
            raise ValueError
        return value
    except (ValueError, KeyError, TypeError, OverflowError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")
        raise ConfigError(f"{name} cannot be '{value}': it must be {wanted}.") from None


def _wrong_frames(text: str) -> ConfigError:
    return ConfigError(
        f"reduce_frames_to cannot be '{text[:40]}': write whole numbers above 0, each smaller than "
        "the one before, as 2,1."
    )


def _require_positive(config: Any, *names: str) -> None:
    for name in names:
        if getattr(config, name) <= 0:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must be above 0.")


def _require_at_most(config: Any, limit: int, *names: str) -> None:
    for name in names:
        if getattr(config, name) > limit:
            raise ConfigError(f"{name} is {getattr(config, name)}; it can be at most {limit}.")


def _require_rate(config: Any, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(config, name) <= 1:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must lie from 0 to 1.")
