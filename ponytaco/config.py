"""Settings of audio, model and training: each with its default, its meaning and its limits."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from ponytaco.errors import PonytacoError
from ponytaco.hparams import pointer
from ponytaco.printable import brief


class ConfigError(PonytacoError):
    """A setting that is unknown, of the wrong type, or contradicts another."""


def _setting(default: Any, doc: str) -> Any:
    """Return a dataclass field whose ``doc`` is also the command line's help."""
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True)
class AudioConfig:
    """Settings of the log-mel spectrogram; the defaults are those of NVIDIA's Tacotron 2."""

    sample_rate: int = _setting(22_050, "Sample rate of the clips, Hz.")
    n_fft: int = _setting(1024, "FFT size, samples.")
    hop_length: int = _setting(256, "Hop from one mel frame to the next, samples (11.6 ms).")
    win_length: int = _setting(1024, "Length of the Hann window, samples.")
    n_mels: int = _setting(80, "Number of mel bands.")
    f_min: float = _setting(0.0, "Lower edge of the lowest mel band, Hz.")
    f_max: float = _setting(8000.0, "Upper edge of the highest mel band, Hz.")

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        lengths = ("sample_rate", "n_fft", "hop_length", "win_length", "n_mels")
        _require_positive(self, *lengths)
        # Far beyond any use: these bound what a stranger's voice or vocoder can ask for.
        _require_at_most(self, 400_000, "sample_rate")
        _require_at_most(self, 2**14, "n_fft", "hop_length", "win_length")
        _require_at_most(self, 1024, "n_mels")
        if self.win_length > self.n_fft:
            raise ConfigError(f"win_length {self.win_length} is larger than n_fft {self.n_fft}.")
        if not 0 <= self.f_min < self.f_max <= self.sample_rate / 2:
            raise ConfigError(
                f"f_min {brief(self.f_min)} and f_max {brief(self.f_max)} must satisfy "
                f"0 <= f_min < f_max <= sample_rate / 2 = {self.sample_rate / 2}."
            )


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of Tacotron 2; names and defaults are those of the published models."""

    head: str = _setting(
        "mmi",
        "Output head of the decoder: 'mmi' (bfs18's, which feeds the CTC recogniser) or 'plain' "
        "(NVIDIA's).",
    )
    symbols_embedding_dim: int = _setting(512, "Width of the symbol embedding.")
    encoder_embedding_dim: int = _setting(
        512, "Width of the encoder's output, half for each direction of its LSTM; even."
    )
    encoder_kernel_size: int = _setting(5, "Kernel of the encoder's convolutions, symbols; odd.")
    encoder_n_convolutions: int = _setting(3, "Number of the encoder's convolutions.")
    attention_rnn_dim: int = _setting(1024, "Width of the attention LSTM.")
    decoder_rnn_dim: int = _setting(1024, "Width of the decoder LSTM.")
    prenet_dim: int = _setting(256, "Width of the prenet.")
    attention_dim: int = _setting(128, "Width of the attention's energy layer.")
    attention_location_n_filters: int = _setting(32, "Filters of the location convolution.")
    attention_location_kernel_size: int = _setting(
        31, "Kernel of the location convolution, symbols; odd."
    )
    postnet_embedding_dim: int = _setting(512, "Channels of the postnet.")
    postnet_kernel_size: int = _setting(5, "Kernel of the postnet's convolutions, frames; odd.")
    postnet_n_convolutions: int = _setting(5, "Number of the postnet's convolutions.")
    n_frames_per_step: int = _setting(1, "Reduction factor r: mel frames per decoder step.")
    p_encoder_dropout: float = _setting(0.5, "Dropout after each convolution of the encoder.")
    p_prenet_dropout: float = _setting(
        0.5, "Dropout of the prenet; it stays on in synthesis, as published."
    )
    p_attention_dropout: float = _setting(0.1, "Dropout on the output of the attention LSTM.")
    p_decoder_dropout: float = _setting(0.1, "Dropout on the output of the decoder LSTM.")
    p_head_dropout: float = _setting(0.5, "Dropout inside the 'mmi' head.")
    p_postnet_dropout: float = _setting(0.5, "Dropout after each convolution of the postnet.")
    p_ctc_dropout: float = _setting(0.5, "Dropout inside the CTC recogniser.")

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        if self.head not in ("mmi", "plain"):
            raise ConfigError(f"head is '{brief(self.head)}'; it can be 'mmi' or 'plain'.")
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
    """Settings of training, validation and saving."""

    seed: int = _setting(1234, "Seed of the initial weights, the order of clips and the dropout.")
    batch_size: int = _setting(32, "Clips per step.")
    learning_rate: float = _setting(1e-3, "Learning rate after the warm-up, before it decays.")
    attention_learning_rate_scale: float = _setting(
        3.0, "Learning rate of the attention layer, as a multiple of learning_rate."
    )
    warmup_steps: int = _setting(0, "Steps over which the learning rate rises linearly.")
    decay_start: int = _setting(15_000, "Step from which the learning rate decays.")
    decay_steps: int = _setting(8_000, "Steps in which the decaying learning rate falls to 1/e.")
    min_learning_rate: float = _setting(1e-5, "Learning rate at which the decay ends.")
    weight_decay: float = _setting(1e-6, "L2 penalty of Adam.")
    ema_decay: float = _setting(
        0.98,
        "Decay of the EMA of the weights per step; the EMA is validated and speaks. 0 uses the "
        "plain weights.",
    )
    max_grad_norm: float = _setting(1.0, "Norm to which larger gradients are clipped.")
    max_steps: int = _setting(20_000, "Step at which training is finished.")
    max_minutes: float = _setting(
        0.0, "Minutes after which a session validates, saves and stops; 0 sets no limit."
    )
    validate_every: int = _setting(250, "Steps between validations.")
    listening_share: float = _setting(
        0.05,
        "Share of the time, at most, in which judges, if they are installed, listen to the aligned "
        "voice (words understood, MOS, likeness); best_model is the voice understood best. "
        "0 switches them off.",
    )
    save_every_minutes: float = _setting(10.0, "Minutes between saves.")
    gate_weight: float = _setting(
        8.0, "Weight of a clip's last frame in the gate loss, the only one with an open gate."
    )
    mmi: bool = _setting(True, "Train the CTC recogniser on the decoder's output (head 'mmi').")
    max_gaf: float = _setting(0.5, "Cap of the gradient-adaptive factor (GAF) until aligned.")
    max_gaf_aligned: float = _setting(
        0.1, "Cap of the GAF once aligned; larger CTC gradients have been seen to undo alignment."
    )
    gaf_every: int = _setting(10, "Steps between updates of the GAF.")
    mmi_weight: float = _setting(
        0.0, "Constant weight of the MMI loss in the place of the GAF; 0 leaves it to the GAF."
    )
    drop_frame_rate: float = _setting(
        0.35, "Share of teacher frames replaced by the data set's mean frame."
    )
    drop_frame_rate_aligned: float = _setting(
        0.0,
        "That share once aligned: without the frame before a voice cannot learn how sounds go on.",
    )
    p_teacher_forcing: float = _setting(
        1.0,
        "Scheduled sampling in windows: probability that a window is fed the true frames, once "
        "aligned.",
    )
    teacher_forcing_fade_steps: int = _setting(
        1000, "Steps over which p_teacher_forcing is reached from 1, once aligned."
    )
    teacher_forcing_window: int = _setting(50, "Mel frames per window of scheduled sampling.")
    guidance_weight: float = _setting(
        2.0, "Weight of the guided-attention loss until aligned; 0 switches guidance off."
    )
    guidance_fade_steps: int = _setting(
        1000, "Steps over which guidance fades once aligned, and returns if alignment is lost."
    )
    attention_forcing: float = _setting(
        0.5,
        "Share of clips whose previous attention weights are replaced by the guidance's, while "
        "guided: attention learns to advance long before it finds its place by itself.",
    )
    p_arpabet: float = _setting(
        0.5, "Probability that a clip is read from its ARPAbet text, where it has one."
    )
    arpabet_first_steps: int = _setting(
        1000,
        "Steps, at most and while guided, in which clips with an ARPAbet text are read from it "
        "alone: phones have times of their own, so attention aligns earlier.",
    )
    reduce_frames_to: str = _setting(
        "",
        "Reduction factors that follow n_frames_per_step once aligned, as '2,1'; empty for none.",
    )
    reduce_frames_after: int = _setting(
        300, "Steps that the voice must have been aligned before the next reduction factor."
    )
    adversarial_after: int = _setting(
        3_000,
        "Steps, from the first alignment on, after which the postnet is trained against a "
        "discriminator instead of on squared errors, which makes the voice clearer; 0: never.",
    )
    freeze_encoder_steps: int = _setting(
        0, "Steps in which embedding and encoder keep the weights of a warm start."
    )
    freeze_attention_steps: int = _setting(
        0, "Steps in which attention and its LSTM keep the weights of a warm start."
    )
    cleaner: str = _setting("english", "Text cleaner: 'english', 'transliteration' or 'basic'.")
    max_clip_seconds: float = _setting(0.0, "Leave out longer clips in training; 0 keeps all.")
    p_phrases: float = _setting(
        0.0,
        "Probability that a clip with word times is cut at its pauses into phrases, drawn anew "
        "each epoch. A batch then has the frames of batch_size clips of mean length: more and "
        "shorter ones, which takes less time.",
    )
    phrase_seconds: float = _setting(2.5, "Length from which a clip is cut, seconds.")
    loader_workers: int = _setting(0, "Processes that load batches; 0 loads in training's own.")
    precision: str = _setting(
        "auto",
        "Type of the large products: 'float32', 'bfloat16' or 'float16'; 'auto' is float32 on a "
        "CPU, bfloat16 on a GPU that has it, float16 on an older one.",
    )
    device: str = _setting(
        "auto", "'cpu', 'cuda', 'cuda:1' …; 'auto' takes CUDA where there is a GPU."
    )
    cuda_graphs: str = _setting(
        "auto",
        "On a GPU, launch the decoder's loops in blocks of steps: 'auto', where they have proved "
        "to compute the same, or 'off'.",
    )

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        precisions = ("auto", "float32", "bfloat16", "float16")
        if self.precision not in precisions:
            raise ConfigError(
                f"precision is '{brief(self.precision)}'; it can be {_names(precisions)}."
            )
        if self.cuda_graphs not in ("auto", "off"):
            raise ConfigError(
                f"cuda_graphs is '{brief(self.cuda_graphs)}'; it can be 'auto' or 'off'."
            )
        cleaners = ("english", "transliteration", "basic")
        if self.cleaner not in cleaners:
            raise ConfigError(f"cleaner is '{brief(self.cleaner)}'; it can be {_names(cleaners)}.")
        _require_positive(
            self, "batch_size", "learning_rate", "attention_learning_rate_scale", "decay_steps",
            "max_grad_norm", "max_steps", "validate_every", "gate_weight", "gaf_every",
            "teacher_forcing_window", "save_every_minutes", "phrase_seconds",
        )  # fmt: skip
        _require_rate(
            self, "drop_frame_rate", "drop_frame_rate_aligned", "p_teacher_forcing", "p_arpabet",
            "attention_forcing", "ema_decay", "p_phrases", "listening_share",
        )  # fmt: skip
        for name in (
            "warmup_steps", "decay_start", "min_learning_rate", "weight_decay", "max_gaf",
            "max_gaf_aligned", "mmi_weight", "guidance_weight", "guidance_fade_steps",
            "arpabet_first_steps", "adversarial_after",
            "teacher_forcing_fade_steps", "reduce_frames_after", "freeze_encoder_steps",
            "freeze_attention_steps", "max_clip_seconds", "loader_workers", "max_minutes", "seed",
        ):  # fmt: skip
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it cannot be negative.")
        _require_at_most(self, 256, "loader_workers")  # each is a process of its own
        frames = (*self.reduced_frames, 0)
        if any(later >= earlier for earlier, later in itertools.pairwise(frames)):
            raise _wrong_frames(self.reduce_frames_to)

    @property
    def reduced_frames(self) -> tuple[int, ...]:
        """Reduction factors of ``reduce_frames_to``, in order.

        Raises:
            ConfigError: if the text is not a list of whole numbers.
        """
        words = self.reduce_frames_to.split(",") if self.reduce_frames_to.strip() else []
        try:
            return tuple(int(word) for word in words)
        except ValueError:
            raise _wrong_frames(self.reduce_frames_to) from None


@dataclass(frozen=True)
class Config:
    """All settings of a run; a checkpoint carries them, so that it rebuilds its own model."""

    audio: AudioConfig = field(default_factory=AudioConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        """Refuse sections that contradict each other."""
        first, *reduced = self.frames_per_step
        if reduced and reduced[0] >= first:
            raise ConfigError(
                f"reduce_frames_to '{self.train.reduce_frames_to[:40]}' does not go below "
                f"n_frames_per_step {first}. Change one of them, or leave reduce_frames_to empty."
            )

    @property
    def frames_per_step(self) -> tuple[int, ...]:
        """Reduction factors of a run, in order."""
        return (self.model.n_frames_per_step, *self.train.reduced_frames)

    def reduced_to(self, n_frames_per_step: int) -> Config:
        """Return the settings at a later reduction factor: that model, and the reductions to come.

        Args:
            n_frames_per_step: one of ``frames_per_step``.
        """
        if n_frames_per_step == self.model.n_frames_per_step:
            return self
        to_come = [str(n) for n in self.train.reduced_frames if n < n_frames_per_step]
        return self.replace(n_frames_per_step=n_frames_per_step, reduce_frames_to=",".join(to_come))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the settings as plain values, section by section."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, sections: Mapping[str, Mapping[str, Any]]) -> Config:
        """Return the inverse of ``to_dict``; missing settings take their defaults.

        Raises:
            ConfigError: if a section or a setting is unknown or has a wrong value.
        """
        if not isinstance(sections, Mapping):
            raise ConfigError("The settings are not a table of sections.")
        for section in sections:
            if section not in _SECTIONS:
                raise _unknown_section(section)
        # All at once, for sections may only fit together.
        return cls().replace(**_flat(sections))

    def to_json(self) -> str:
        """Return the settings as indented JSON."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Config:
        """Return the inverse of ``to_json``.

        Raises:
            ConfigError: if the text is not JSON, or not of these settings.
        """
        try:
            return cls.from_dict(json.loads(text))
        except ConfigError:
            raise
        except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
            raise ConfigError(f"The settings are not JSON: {_why(error)}.") from None

    def replace(self, **values: Any) -> Config:
        """Return a copy with some settings changed, whichever section they are in.

        Text is converted to the setting's type, as command lines and forms pass it.

        Raises:
            ConfigError: if a setting is unknown or has a wrong value.
        """
        kinds = {section: get_type_hints(of) for section, of in _SECTIONS.items()}
        changed: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            section = section_of(name)
            changed.setdefault(section, {})[name] = _coerce(name, value, kinds[section][name])
        sections = {
            section: dataclasses.replace(getattr(self, section), **fields)
            for section, fields in changed.items()
        }
        return dataclasses.replace(self, **sections)


_SECTIONS: Mapping[str, type] = types.MappingProxyType(
    {"audio": AudioConfig, "model": ModelConfig, "train": TrainConfig}
)


def section_of(name: str) -> str:
    """Return the section of a setting: 'audio', 'model' or 'train'.

    Raises:
        ConfigError: if no section has it; the message names the closest settings, or what a
            setting of another program is called here.
    """
    for section, kind in _SECTIONS.items():
        if name in {f.name for f in dataclasses.fields(kind)}:
            return section
    if there := pointer(name):
        raise ConfigError(f"There is no setting '{name}'. {there}")
    import difflib  # only the way to a good error message needs it

    known = [doc[0] for doc in describe()]
    close = difflib.get_close_matches(name, known, n=3)
    close += [other for other in known if len(name) > 2 and name in other and other not in close]
    hint = (
        f" Did you mean {_names(close[:6])}?" if close else " ponytaco train --help lists them all."
    )
    raise ConfigError(f"There is no setting '{brief(name)}'.{hint}")


def describe() -> list[tuple[str, str, Any, str]]:
    """Return every setting as (name, type's name, default, doc), in order."""
    return [
        (f.name, str(f.type), f.default, f.metadata["doc"])
        for kind in _SECTIONS.values()
        for f in dataclasses.fields(kind)
    ]


def parse_settings(pairs: Iterable[str]) -> dict[str, str]:
    """Read ``name=value`` words, as ``--set`` takes them.

    Raises:
        ConfigError: if a word is not of that form.
    """
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"'{brief(pair)}' is not a setting: write name=value.")
        settings[name.strip()] = value.strip()
    return settings


def parse_recipe(text: str) -> dict[str, Any]:
    """Read a recipe, a file for ``--config``, in TOML.

    Settings stand in the sections [audio], [model] and [train], or by their names alone above
    these, like ``preset``, which is not a setting.

    Returns:
        Values by name; what they must be is checked when they replace others.

    Raises:
        ConfigError: if the text is not TOML, or a section or a setting is unknown.
    """
    import tomllib

    try:
        return _flat(tomllib.loads(text))
    except ConfigError:
        raise
    except (ValueError, RecursionError) as error:  # ValueError: also numbers of thousands of digits
        raise ConfigError(f"The recipe is not TOML: {_why(error)}.") from None


def _why(error: ValueError | RecursionError) -> str:
    """Return what a parser found, in words for people where Python's are for programmers."""
    if isinstance(error, RecursionError):
        return "its lists or tables are nested too deep"
    if "integer string conversion" in str(error):
        return "a number in it has thousands of digits"
    return str(error)[:100]


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of all sections, and those outside of sections."""
    settings: dict[str, Any] = {}
    for name, value in table.items():
        found: Mapping[str, Any] = {name: value}
        if name in _SECTIONS:
            if not isinstance(value, Mapping):
                raise ConfigError(f"Section '{name}' is not a table of settings.")
            _require_in(name, value)
            found = value
        elif isinstance(value, Mapping):
            raise _unknown_section(name)
        elif name != "preset":
            section_of(name)
        for twice in settings.keys() & found.keys():
            raise ConfigError(f"{twice} is set twice: inside a section and outside.")
        settings.update(found)
    return settings


def _require_in(section: str, names: Iterable[str]) -> None:
    for name in names:
        if name == "preset":
            raise ConfigError(f"Write preset above [{section}], not below it.")
        if section_of(name) != section:
            raise ConfigError(
                f"'{section}' has no setting '{name}'; it is one of '{section_of(name)}'."
            )


def _unknown_section(name: str) -> ConfigError:
    return ConfigError(f"Unknown section '{brief(name)}'. There are: {_names(_SECTIONS)}.")


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_WORDS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def _coerce(name: str, value: Any, kind: type) -> Any:
    try:
        return _convert(value, kind)
    except OverflowError:
        limit = "2^63" if kind is int else "1e38"
        raise ConfigError(
            f"{name} cannot be '{brief(value)}': it must be {_KINDS[kind]} below {limit}."
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(
            f"{name} cannot be '{brief(value)}': it must be {_KINDS[kind]}."
        ) from None


def _convert(value: Any, kind: type) -> Any:
    """Convert text or a number without loss; raises various errors where that is impossible."""
    if kind is bool:
        return value if isinstance(value, bool) else _WORDS[str(value).lower()]
    if isinstance(value, bool) or (kind is str and not isinstance(value, str)):
        raise TypeError
    if kind is int and isinstance(value, str):
        try:
            value = int(value)
        except ValueError:  # '1e4' and '12.0' are whole numbers too
            value = float(value)
    converted = kind(value)
    if (kind is int and converted != value) or (kind is float and not math.isfinite(converted)):
        raise ValueError
    # A seed is a 64-bit integer for torch; the numbers of a training step are in float32.
    if (kind is int and abs(converted) >= 2**63) or (kind is float and abs(converted) > 1e38):
        raise OverflowError
    return converted


def _wrong_frames(text: str) -> ConfigError:
    return ConfigError(
        f"reduce_frames_to cannot be '{text[:40]}': write whole numbers above 0, each smaller than "
        "the one before, such as 2,1."
    )


def _require_positive(config: Any, *names: str) -> None:
    for name in names:
        if getattr(config, name) <= 0:
            raise ConfigError(f"{name} is {brief(getattr(config, name))}; it must be above 0.")


def _require_at_most(config: Any, limit: int, *names: str) -> None:
    for name in names:
        if getattr(config, name) > limit:
            value = brief(getattr(config, name))
            raise ConfigError(f"{name} is {value}; it can be at most {limit}.")


def _require_rate(config: Any, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(config, name) <= 1:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must lie from 0 to 1.")
