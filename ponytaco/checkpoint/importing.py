"""Importing voices of other programs: a file in NVIDIA's layout becomes a voice that speaks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ponytaco import __version__
from ponytaco.checkpoint.conversion.architecture import why_other_architecture
from ponytaco.checkpoint.conversion.sizes import n_mels_of, sizes_of
from ponytaco.checkpoint.foreign import ForeignVoice, describe_audio, read_foreign
from ponytaco.checkpoint.format import (
    Checkpoint,
    CheckpointError,
    OtherProgramError,
    save_checkpoint,
    verified_checkpoint,
)
from ponytaco.config import AudioConfig, Config, ConfigError
from ponytaco.io.text_files import read_text
from ponytaco.model.ctc_head import CTCHead
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import COOKIETTS_SYMBOLS, CTC_SYMBOLS, NVIDIA_SYMBOLS, SYMBOLS

SYMBOL_TABLES: Mapping[str, Sequence[str]] = {
    "nvidia": NVIDIA_SYMBOLS,
    "seed": SYMBOLS,
    "cookietts": COOKIETTS_SYMBOLS,
}
"""Known tables by name."""

_AUDIO = tuple(AudioConfig.__dataclass_fields__)
# Sizes that every Tacotron 2 shows; a file that lacks all of them is something else.
_VITAL = ("symbols_embedding_dim", "encoder_embedding_dim", "attention_rnn_dim", "decoder_rnn_dim")
_VOCODERS = ("conv_pre.", "ups.0.", "convinv.", "upsample.")
_CLEANERS = {
    "english_cleaners": "english",
    "transliteration_cleaners": "transliteration",
    "basic_cleaners": "basic",
}
_DROPOUTS = ("p_prenet_dropout", "p_attention_dropout", "p_decoder_dropout")
_SOURCE = "imported from"  # on the card
_COUNTER = ".num_batches_tracked"


class ForeignVoiceError(CheckpointError):
    """A file of another program that cannot be imported as it is."""


@dataclass(frozen=True)
class Imported:
    """A voice of another program."""

    checkpoint: Checkpoint
    assumed: str
    """What its file does not tell and was assumed, in one sentence; '' if nothing."""


def open_voice_file(path: Path) -> tuple[Checkpoint, list[str]]:
    """Read a voice of ponytaco and verify it, or else import one of another program.

    Returns:
        The voice, and a sentence on what was assumed about another program's.

    Raises:
        ForeignVoiceError: if it is another program's, and nothing that can be imported.
        CheckpointError: if it is missing or damaged.
    """
    try:
        return verified_checkpoint(path), []
    except OtherProgramError as error:
        problem = error
    voice = read_foreign(path)
    if voice.is_ours:
        raise problem
    imported = _imported(voice)
    return imported.checkpoint, [imported.assumed] if imported.assumed else []


def import_voice(
    path: Path,
    out: Path,
    settings: Mapping[str, Any] | None = None,
    symbols: Sequence[str] | None = None,
    card: Mapping[str, str] | None = None,
) -> Imported:
    """Write a voice of another program as a voice of ponytaco, its weights to the bit.

    Args:
        path: a checkpoint in NVIDIA's layout, in any of the common ways of saving it.
        out: the file to write, as ``Zecora.voice``.
        settings: what the file does not tell, as ``sample_rate``.
        symbols: the table of its embedding; recognised if left out.
        card: entries of the voice's card, as ``licence``.

    Raises:
        CheckpointError: if it cannot be read, is no such voice, or ``out`` exists or cannot be
            written.
        ConfigError: if a setting is unknown or has a wrong value.
    """
    if out.exists():
        raise CheckpointError(f"{out} exists already. Move it, or give another name.")
    voice = read_foreign(path)
    if voice.is_ours:
        verified_checkpoint(path)  # one of before 0.2 is not readable as it is
        raise CheckpointError(f"{path} is a voice of ponytaco already: speak with it as it is.")
    imported = _imported(voice, settings or {}, symbols)
    checkpoint = imported.checkpoint
    checkpoint.card = {**(checkpoint.card or {}), **{k: v for k, v in (card or {}).items() if v}}
    save_checkpoint(out, checkpoint)
    return imported


def is_imported(checkpoint: Checkpoint) -> bool:
    """Whether a voice is another program's, so that nobody knows how well it was trained."""
    return checkpoint.card is not None and _SOURCE in checkpoint.card


def read_symbols(name: str) -> Sequence[str]:
    """Return a symbol table by its name, or from a file: a JSON list, or one symbol a line.

    Raises:
        CheckpointError: if there is no such table or file.
    """
    if name in SYMBOL_TABLES:
        return SYMBOL_TABLES[name]
    path = Path(name)
    if not path.is_file():
        raise CheckpointError(
            f"There is no symbol table '{name}'. Name one of {', '.join(SYMBOL_TABLES)}, or a file "
            "with one symbol a line."
        )
    text = read_text(path, CheckpointError)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        table = text.splitlines()
    if not isinstance(table, list) or not all(isinstance(symbol, str) for symbol in table):
        raise CheckpointError(f"{path} is not a list of symbols. Write one symbol a line.")
    return table


def _imported(
    voice: ForeignVoice,
    settings: Mapping[str, Any] | None = None,
    symbols: Sequence[str] | None = None,
) -> Imported:
    settings = settings or {}
    sizes = _sizes(voice)
    config, assumed = _config(voice, sizes, settings)
    table, taken_for = _symbols(voice, symbols)
    assumed = [taken_for, *assumed] if taken_for else assumed
    weights = _weights(voice, config)
    sentence = (
        f"{voice.path} does not tell everything: {', and '.join(assumed)}." if assumed else ""
    )
    checkpoint = Checkpoint(
        config=config,
        state_dict=weights,
        symbols=list(table),
        ctc_symbols=list(CTC_SYMBOLS),
        mean_frame=torch.zeros(config.audio.n_mels),
        run_state=RunState(step=voice.step or 0),
        card={
            "name": voice.path.stem,
            "licence": "that of the imported voice: ask its maker before you pass it on",
            "made with": f"another program; imported by ponytaco {__version__}",
            _SOURCE: voice.path.name,
            "step": voice.step or 0,
            "head": config.model.head,
            "parameters": sum(value.numel() for value in weights.values()),
            "sample rate": config.audio.sample_rate,
            "assumed": ", and ".join(assumed) or "nothing",
        },
    )
    checkpoint.check_shapes()
    checkpoint.check_values(voice.path)
    return Imported(checkpoint, sentence)


def _sizes(voice: ForeignVoice) -> dict[str, Any]:
    """Return the model's settings.

    Raises:
        ForeignVoiceError: if it is not a Tacotron 2 of our architecture.
    """
    weights, n_mels = voice.weights, n_mels_of(voice.weights)
    sizes = sizes_of(weights, n_mels)
    if not any(name in sizes for name in _VITAL):
        is_vocoder = any(name.startswith(_VOCODERS) for name in weights)
        what = "a vocoder, for the option --vocoder" if is_vocoder else "nothing that can speak"
        raise ForeignVoiceError(f"{voice.path} holds no weights of a Tacotron 2: it is {what}.")
    problem = why_other_architecture(weights, sizes, voice.n_symbols, n_mels)
    if problem:
        raise ForeignVoiceError(
            f"{voice.path} is a Tacotron 2 of another architecture, which ponytaco cannot speak "
            f"with: {problem}."
        )
    return sizes


def _config(
    voice: ForeignVoice, sizes: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[Config, list[str]]:
    """Return the settings of the voice, and clauses on those that were assumed.

    Raises:
        ForeignVoiceError: if the file tells impossible ones, or too little to assume the rest.
        ConfigError: if ``settings`` has a wrong one.
    """
    audio, n_mels = voice.audio, n_mels_of(voice.weights)
    known = {**audio, "n_mels": n_mels}
    given = [name for name in _AUDIO if name in settings]
    if n_mels != AudioConfig().n_mels and not audio and not given:
        raise ForeignVoiceError(
            f"{voice.path} makes {n_mels} mels, not NVIDIA's {AudioConfig().n_mels}, and does not "
            "tell of which sound. Import it with the settings that it was trained with: ponytaco "
            "import FILE VOICE --set sample_rate=… --set hop_length=… --set n_fft=…"
        )
    dropouts = {
        name: voice.hparams[name]
        for name in _DROPOUTS
        if type(voice.hparams.get(name)) in (int, float)
    }
    cleaner = voice.hparams.get("text_cleaners")
    cleaner = cleaner[0] if isinstance(cleaner, list) and cleaner else cleaner
    own = {
        **sizes,
        **known,
        **dropouts,
        "p_arpabet": 0.0,  # how it was trained is unknown, and every voice reads letters
        "cleaner": _CLEANERS.get(cleaner, "english") if isinstance(cleaner, str) else "english",
    }
    try:
        config = Config().replace(**{**own, **settings})
    except ConfigError as error:
        if any(name in str(error) for name in settings):
            raise
        raise ForeignVoiceError(
            f"{voice.path} has impossible settings: {error} Import it with the right ones: "
            "ponytaco import FILE VOICE --set NAME=VALUE"
        ) from None
    missing = [name for name in _AUDIO if name not in {*known, *given}]
    assumed = []
    if missing and not audio and not given:
        assumed.append(f"its mels are taken to be NVIDIA's ({describe_audio(config.audio)})")
    elif missing:
        values = (f"{name} {getattr(config.audio, name):g}" for name in missing)
        assumed.append(f"its mels are taken to have {', '.join(values)}")
    if voice.other_scale:
        assumed.append(f"its mels, of another scale ({voice.other_scale}), are taken for ours")
    return config, assumed


def _symbols(voice: ForeignVoice, given: Sequence[str] | None) -> tuple[Sequence[str], str]:
    """Return the symbol table, and a clause on what it is taken for.

    Raises:
        ForeignVoiceError: if it is unknown, or the given one is of another length.
    """
    if given is not None and len(given) != voice.n_symbols:
        raise ForeignVoiceError(
            f"{voice.path} has {voice.n_symbols} symbols, and the table that was given has "
            f"{len(given)}."
        )
    if given is not None:
        return given, ""
    if voice.symbols is None:
        raise ForeignVoiceError(
            f"{voice.path} has {voice.n_symbols} symbols, which is no known table. Import it with "
            "its own, one symbol a line: ponytaco import FILE VOICE --symbols TABLE.txt"
        )
    return voice.symbols, voice.assumed_symbols


def _weights(voice: ForeignVoice, config: Config) -> dict[str, Tensor]:
    """Return the weights as the model has them, with what speaking does not need."""
    weights = {
        name: value.float() if value.is_floating_point() else value
        for name, value in voice.weights.items()
    }
    for name in [name for name in weights if name.endswith(".running_var")]:
        weights.setdefault(name.removesuffix(".running_var") + _COUNTER, torch.tensor(0))
    if config.model.head != "mmi":
        return {name: value for name, value in weights.items() if not name.startswith("mi.")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = CTCHead(
            in_dim=config.model.decoder_rnn_dim,
            n_symbols=len(CTC_SYMBOLS),
            n_frames_per_step=config.model.n_frames_per_step,
            p_dropout=config.model.p_ctc_dropout,
        )
    fresh = {f"mi.{name}": value for name, value in head.state_dict().items()}
    theirs = {name: value for name, value in weights.items() if name.startswith("mi.")}
    fits = {n: v.shape for n, v in theirs.items()} == {n: v.shape for n, v in fresh.items()}
    others = {name: value for name, value in weights.items() if name not in theirs}
    return {**others, **(theirs if fits else fresh)}
