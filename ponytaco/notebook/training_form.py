"""The training form: what a notebook's fields say about training, as a run's config."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponytaco import presets
from ponytaco.checkpoint.warm_start import sizes_in
from ponytaco.config import Config, ConfigError
from ponytaco.device import choose_device
from ponytaco.formatting import and_more, did_you_mean, shorten
from ponytaco.io.pretrained import fetch
from ponytaco.notebook.errors import explain_errors
from ponytaco.notebook.fields import bare, decimal, find_name, whole_number
from ponytaco.notebook.storage import Storage
from ponytaco.printable import say
from ponytaco.runs.folder import Run, RunError, voice_files, voices_in
from ponytaco.text.symbols import STYLE_SIGNS
from ponytaco.training.resume import last_usable_save, own_config

_MOST_NAMED = 12
_MOST_SHOWN = 200

AUTO = "auto"
NVIDIA, OLDER_RUN = "NVIDIA's voice", "older run"
_NVIDIA_NAMES = (NVIDIA, "NVIDIA")
# Beyond these a number is a slip: nothing is learnt, no GPU has the memory, no session lasts.
_LIMITS = {"learning_rate": 1, "batch_size": 1024, "save_every_minutes": 600}
_FIELD_NAME = ("save_every_minutes", "save_minutes")


@dataclass(frozen=True)
class TrainingSettings:
    """Fields of the form; 'auto' leaves a setting to the preset, or to the resumed run.

    Attributes:
        preset: 'full', 'warm', 'gradual', 'small', 'tiny', or 'auto': 'full' on a GPU, 'small'
            without one; with a warm start 'warm', at the sizes of the other voice.
        batch_size: clips per step.
        learning_rate: after the warm-up.
        save_every_minutes: time between saves.
        mmi: 'on' trains the recogniser along with the voice.
        mixed_precision: 'on' is faster on a GPU; 'off' computes everything in float32.
        style_signs: 'on' puts the sign of a clip's mood before its text; see ``wants_style_signs``.
        warm_start: 'none', "NVIDIA's voice", 'older run', the name of another voice, or the path of
            a run folder, a checkpoint or a shared voice.
    """

    preset: str = AUTO
    batch_size: str = AUTO
    learning_rate: str = AUTO
    save_every_minutes: str | float = AUTO
    mmi: str | bool = AUTO
    mixed_precision: str | bool = AUTO
    style_signs: str | bool = AUTO
    warm_start: str = "none"

    def config_for(self, run: Run, max_steps: str = AUTO, warm_start: Path | None = None) -> Config:
        """Return the config of a run: its own if it is resumed, else the preset's, with the form's.

        Args:
            run: new or resumed.
            max_steps: the last step, or 'auto'.
            warm_start: weights that a new run starts from.

        Raises:
            ConfigError: a setting has a wrong value, or the run's own settings cannot be read.
            CheckpointError: the weights of the warm start are unreadable.
        """
        return self._base(run, warm_start).replace(**self._changes(max_steps))

    def check(self, max_steps: str = AUTO) -> None:
        """Check the values of all fields but the warm start.

        Raises:
            ConfigError: a setting has a wrong value.
        """
        base = presets.preset(presets.DEFAULT if self.preset == AUTO else self.preset)
        try:
            train = base.replace(**self._changes(max_steps)).train
            for name, most in _LIMITS.items():
                if getattr(train, name) > most:
                    raise ConfigError(f"{name} is {getattr(train, name):g}; choose at most {most}.")
        except ConfigError as error:  # with the names of the form's fields
            raise ConfigError(str(error).replace(*_FIELD_NAME)) from None
        if not _is_auto(self.style_signs):
            _is_on("style_signs", self.style_signs)

    def find_warm_start(self, storage: Storage) -> Path | None:
        """Return the weights that a new run starts from, if any; NVIDIA's are downloaded once.

        Raises:
            DownloadError: the download of NVIDIA's voice failed.
            ConfigError: there is no such voice or file.
        """
        if self._is_warm_start(*_NVIDIA_NAMES):
            return fetch("tacotron2", storage.disk / "weights")
        return self.find_own_warm_start(storage)

    def find_own_warm_start(self, storage: Storage) -> Path | None:
        """Return the weights that a new run starts from, if they are the user's own.

        Raises:
            ConfigError, RunError: there is no such voice or file.
        """
        if self._is_warm_start("", "none", AUTO, *_NVIDIA_NAMES):
            return None
        names = voices_in(storage.runs)
        choice = shorten(bare(self.warm_start), _MOST_SHOWN)
        own = find_name(choice, names)
        if own is not None:
            return voice_files(storage.runs / own)[0]
        if self._is_warm_start(OLDER_RUN):
            path = storage.runs / "current_model"
        else:
            path = storage.resolve(choice)
        try:
            voice_files(path)
        except RunError:
            meant = did_you_mean(choice, names)
            raise ConfigError(
                f"Warm start: there is no voice '{choice}' in {storage.runs}, and none at {path}."
                f"{meant} Choose another one in '3. Settings', or 'none'. Your voices: "
                f"{and_more(names, _MOST_NAMED) or 'none yet'}. A path starts at {storage.root}."
            ) from None
        return path

    def _is_warm_start(self, *choices: str) -> bool:
        chosen = bare(self.warm_start).lower().replace("’", "'")
        return chosen in map(str.lower, choices)

    def _changes(self, max_steps: str) -> dict[str, str]:
        """Return the settings whose fields are not left to 'auto'."""
        fields = {
            "batch_size": whole_number(self.batch_size),
            "learning_rate": decimal(self.learning_rate),
            "save_every_minutes": decimal(self.save_every_minutes),
            "mmi": str(bare(self.mmi)),
            "max_steps": whole_number(max_steps),
        }
        changes = {name: value for name, value in fields.items() if not _is_auto(value)}
        if not _is_auto(self.mixed_precision):
            is_on = _is_on("mixed_precision", self.mixed_precision)
            changes["precision"] = AUTO if is_on else "float32"
        return changes

    def _base(self, run: Run, warm_start: Path | None) -> Config:
        if self.preset != AUTO:
            return presets.preset(self.preset)
        if run.resumable:  # the form is reset in every session; the run keeps its settings
            return own_config(run, say)
        if warm_start is not None:
            sizes = sizes_in(warm_start)
            # A plain head is carried on within an 'mmi' one, which aligns sooner.
            sizes.pop("head", None)
            return presets.preset("warm").replace(**sizes)
        return presets.preset("full" if choose_device(AUTO).type == "cuda" else "small")


@explain_errors
def training_settings(storage: Storage, *fields: Any) -> TrainingSettings:
    """Check the fields of the form.

    Args:
        storage: from ``connect_storage``.
        *fields: as of ``TrainingSettings``, in this order.

    Raises:
        PonytacoError: a field has a wrong value, or there is no such voice to start from.
    """
    settings = TrainingSettings(*map(bare, fields))
    settings = dataclasses.replace(settings, preset=str(settings.preset).lower() or AUTO)
    settings.check()
    warm_start = settings.find_own_warm_start(storage)
    if warm_start is not None:
        sizes_in(warm_start)  # whether it is a voice at all
    return settings


def wants_style_signs(choice: str | bool, run: Run) -> bool:
    """Return whether a run's clips are to be prepared with style signs.

    Args:
        choice: 'on', 'off' or 'auto': as the voice began, and off for a new one.
        run: new or resumed.

    Raises:
        ConfigError: the choice is another one.
    """
    if not _is_auto(choice):
        return _is_on("style_signs", choice)
    saved = last_usable_save(run)
    return saved is not None and not set(STYLE_SIGNS.values()).isdisjoint(saved.seen_symbols)


def _is_auto(value: object) -> bool:
    return str(bare(value)).lower() in ("", AUTO)


def _is_on(name: str, value: str | bool) -> bool:
    try:
        return Config().replace(mmi=str(bare(value))).train.mmi  # any setting of that type
    except ConfigError:
        raise ConfigError(f"{name} cannot be '{value}': choose auto, on or off.") from None
