"""Voices in NVIDIA's layout, of any program: their weights, and what their files tell of them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ponytaco.checkpoint.conversion.sizes import n_mels_of
from ponytaco.checkpoint.fields import is_symbol_table
from ponytaco.checkpoint.format import read_content
from ponytaco.config import AudioConfig, Config, ConfigError
from ponytaco.hparams import RENAMED
from ponytaco.io.torchfile.foreign import ForeignObject
from ponytaco.text.symbols import COOKIETTS_SYMBOLS, CTC_SYMBOLS, NVIDIA_SYMBOLS, SYMBOLS

# Prefixes that wrappers add to every name: data parallel training, and torch.compile.
_WRAPPERS = re.compile(r"(?:module\.|_orig_mod\.)+")
_EMBEDDING = "embedding.weight"
# Where programs keep their settings in a checkpoint.
_HPARAMS = ("hparams", "hyper_parameters", "config", "hps", "args", "hp")
_DEEPEST_HPARAMS = 3
# Programs have some hundred; a file may hold one table in a thousand places.
_MOST_HPARAMS = 10_000
_MOST_JSON = 2**20
# Names that only CookieTTS's weights, tables and settings have; its symbols are as many as ours.
_COOKIETTS = ("speaker_embedding", "encoder.encoder_speaker_embedding", "tm_linear", "tm_bn",
              "sylps_net", "speaker_id_lookup", "speaker_name_lookup", "torchMoji_attDim",
              "n_speakers")  # fmt: skip
# Settings of other programs for mels that are not natural logarithms of magnitudes.
_OTHER_SCALES = ("signal_normalization", "mel_normalization", "normalize_mels", "symmetric_mels",
                 "ref_level_db", "min_level_db", "preemphasis", "preemphasize")  # fmt: skip


@dataclass(frozen=True)
class ForeignVoice:
    """A voice's weights, and what its file tells about them."""

    path: Path
    weights: Mapping[str, Tensor]
    """By NVIDIA's names."""
    is_ours: bool
    """Whether ponytaco wrote the file."""
    step: int | None
    hparams: Mapping[str, Any]
    """The program's settings by its own names; of any value, and empty if the file has none."""
    symbols: Sequence[str] | None
    """The table of the embedding; None if it is unknown."""
    ctc_symbols: Sequence[str]
    assumed_symbols: str = ""
    """A clause on what the table is taken for; '' if the file has its own."""

    @property
    def n_symbols(self) -> int:
        """Rows of the embedding."""
        return _n_symbols(self.weights)

    @property
    def audio(self) -> dict[str, Any]:
        """The mel settings that the file tells, as numbers by our names."""
        names = {f: f for f in AudioConfig.__dataclass_fields__}
        names |= {theirs: ours for theirs, ours in RENAMED.items() if ours in names}
        return {
            ours: self.hparams[theirs]
            for theirs, ours in names.items()
            if type(self.hparams.get(theirs)) in (int, float)
        }

    @property
    def audio_config(self) -> AudioConfig:
        """The mel settings, NVIDIA's where the file tells none, or impossible ones."""
        known = {"n_mels": n_mels_of(self.weights)}
        try:
            return Config().replace(**{**self.audio, **known}).audio
        except ConfigError:
            return Config().replace(**known).audio

    @property
    def other_scale(self) -> str:
        """The setting that scales the mels in another way than ours; '' if there is none."""
        return next((name for name in _OTHER_SCALES if self.hparams.get(name)), "")


def read_foreign(path: Path) -> ForeignVoice:
    """Read a voice in NVIDIA's layout, the seed's, or of ponytaco, for what it is.

    Raises:
        CheckpointError: if it cannot be read.
    """
    return foreign_voice(path, read_content(path))


def foreign_voice(path: Path, content: Mapping[str, Any]) -> ForeignVoice:
    """Return what ``read_content`` has read as a voice; its weights may be of anything."""
    weights = _weights(content)
    hparams: dict[str, Any] = {}
    for name in reversed(_HPARAMS):
        hparams |= _settings(content.get(name))
    run_state = content.get("run_state")
    step = run_state.get("step") if isinstance(run_state, Mapping) else content.get("iteration")
    symbols, assumed = _symbol_table(content, weights, hparams)
    return ForeignVoice(
        path=path,
        weights=weights,
        is_ours="format_version" in content,
        step=step if type(step) is int and 0 <= step < 2**53 else None,
        hparams=hparams,
        symbols=symbols,
        ctc_symbols=_table(content.get("ctc_symbols")) or CTC_SYMBOLS,
        assumed_symbols=assumed,
    )


def describe_audio(audio: AudioConfig) -> str:
    """Write mel settings in a clause, as '22,050 Hz, hop 256, …'."""
    return (
        f"{audio.sample_rate:,} Hz, n_fft {audio.n_fft}, hop {audio.hop_length}, "
        f"{audio.n_mels} mels from {audio.f_min:g} to {audio.f_max:g} Hz"
    )


def _weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Find the weights of a file by name, in any of the common layouts."""
    held = [*map(content.get, ("state_dict", "model", "generator")), content]
    state: Mapping[Any, Any] = next((table for table in held if isinstance(table, Mapping)), {})
    weights = {}
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            continue
        wrapper = _WRAPPERS.match(name)
        weights[name[wrapper.end() :] if wrapper else name] = value
    # Programs that train it as a part of theirs name it, as 'model.embedding.weight'.
    part = next((n.removesuffix(_EMBEDDING) for n in weights if n.endswith(f".{_EMBEDDING}")), "")
    if all(name.startswith(part) for name in weights):
        weights = {name.removeprefix(part): value for name, value in weights.items()}
    return weights


def _settings(value: Any) -> dict[str, Any]:
    """Return settings kept as a table, an object or JSON, and those of sections, the outer first.

    Of more than any program has, the first are returned.
    """
    if isinstance(value, str) and len(value) <= _MOST_JSON:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    found: dict[str, Any] = {}
    level, n_left = [value], _MOST_HPARAMS
    for _ in range(1 + _DEEPEST_HPARAMS):
        tables = [table for section in level for table in _tables(section)]
        level = []
        for table in tables:
            for name, held in itertools.islice(table.items(), n_left):
                n_left -= 1
                if isinstance(name, str):
                    found.setdefault(name, held)
                if isinstance(held, Mapping | ForeignObject):
                    level.append(held)
    return found


def _tables(section: Any) -> list[Mapping[Any, Any]]:
    """Return the tables of a section, the one that counts first."""
    tables = [section]
    if isinstance(section, ForeignObject):
        states = section.state if isinstance(section.state, tuple) else (section.state,)
        tables = [*states[::-1], section.table]
    return [table for table in tables if isinstance(table, Mapping)]


def _table(value: Any) -> Sequence[str] | None:
    return value if is_symbol_table(value) else None


def _n_symbols(weights: Mapping[str, Tensor]) -> int:
    embedding = weights.get(_EMBEDDING)
    return len(embedding) if embedding is not None and embedding.dim() else 0


def _symbol_table(
    content: Mapping[str, Any], weights: Mapping[str, Tensor], hparams: Mapping[str, Any]
) -> tuple[Sequence[str] | None, str]:
    """Return the symbol table, and a clause on what it is taken for."""
    n_symbols = _n_symbols(weights)
    for own in map(_table, (content.get("symbols"), hparams.get("symbols"))):
        if own and len(own) == n_symbols:
            return own, ""
    if n_symbols == len(NVIDIA_SYMBOLS):
        return NVIDIA_SYMBOLS, f"its {n_symbols} symbols are taken to be NVIDIA's"
    if n_symbols != len(SYMBOLS):
        return None, ""
    names = [name for name in (*weights, *content, *hparams) if isinstance(name, str)]
    sign = next((mark for mark in _COOKIETTS if any(n.startswith(mark) for n in names)), "")
    if sign:
        return COOKIETTS_SYMBOLS, (
            f"its {n_symbols} symbols are taken to be CookieTTS's, since it has '{sign}'"
        )
    return SYMBOLS, f"its {n_symbols} symbols are taken to be the seed's, which are ponytaco's"
