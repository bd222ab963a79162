"""The form's settings, and the run's configuration that they give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponytaco import presets
from ponytaco.checkpoint.warm_start import sizes_in
from ponytaco.config import Config, ConfigError
from ponytaco.device import choose_device
from ponytaco.io.pretrained import fetch
from ponytaco.notebook.storage import Storage
from ponytaco.runs.folder import Run

# The longest settings are a few thousand.
_MOST_CONFIG_CHARACTERS = 2**20

AUTO = "auto"
NVIDIA, OLDER_RUN = "NVIDIA's voice", "older run"


@dataclass(frozen=True)
class Settings:
    """What the form says; 'auto' leaves a setting to the preset, or to the run that goes on.

    Attributes:
        preset: 'full', 'warm', 'gradual', 'small', 'tiny', or 'auto': full on a GPU, small without,
            and with a warm start 'warm' at the sizes of the voice to begin with.
        batch_size: clips a step.
        learning_rate: after the warm-up.
        save_every_minutes: from one save to the next.
        mmi: train the recogniser beside the voice.
        mixed_precision: faster on a GPU; off computes everything in float32.
        style_signs: put the sign of a clip's mood before its text.
        warm_start: 'none', "NVIDIA's voice", 'older run', another voice's name, or the path of a
            run's folder, a checkpoint or a shared voice.
    """

    preset: str = AUTO
    batch_size: str = AUTO
    learning_rate: str = AUTO
    save_every_minutes: float = 10
    mmi: bool = True
    mixed_precision: bool = True
    style_signs: bool = False
    warm_start: str = "none"

    def config_for(self, run: Run, max_steps: str = AUTO, begin_with: Path | None = None) -> Config:
        """A run's configuration: its own where it goes on, else the preset's, with the form's.

        Args:
            run: that begins or goes on.
            max_steps: where it is finished, or 'auto'.
            begin_with: the weights that a new run begins with.

        Raises:
            ConfigError: a setting has a wrong value, or the run's own cannot be read.
            CheckpointError: the weights to begin with cannot be read.
        """
        changes: dict[str, Any] = {
            "save_every_minutes": self.save_every_minutes,
            "mmi": self.mmi,
            "precision": AUTO if self.mixed_precision else "float32",
        }
        optional = {
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "max_steps": max_steps,
        }
        for name, value in optional.items():
            if str(value).strip() not in ("", AUTO):
                changes[name] = str(value).strip()
        return self._base(run, begin_with).replace(**changes)

    def begin_with(self, storage: Storage) -> Path | None:
        """The weights that a new run begins with.

        Raises:
            FetchError: NVIDIA's voice did not come.
            ConfigError: there is no such voice or file.
        """
        choice = self.warm_start.strip()
        if choice in ("", "none"):
            return None
        if choice == NVIDIA:
            return fetch("tacotron2", storage.disk / "weights")
        if choice == OLDER_RUN:
            path = storage.older_run or storage.runs / "current_model"
        else:
            path = storage.root / choice
            if (storage.runs / choice).is_dir():
                path = storage.run(choice).voice()
        if not path.exists():
            raise ConfigError(
                f"Warm start: there is no file {path}, and no voice '{choice}' in {storage.runs}. "
                "In '3. Settings' choose another one, or 'none'. A path counts from the storage's "
                "folder."
            )
        return path

    def _base(self, run: Run, begin_with: Path | None) -> Config:
        if self.preset != AUTO:
            return presets.preset(self.preset)
        if run.resumable and run.config.is_file():
            # The form is fresh in every session; the run goes on as it began.
            with run.config.open(encoding="utf-8", errors="replace") as file:
                return Config.from_json(file.read(_MOST_CONFIG_CHARACTERS))
        if begin_with is not None:
            sizes = sizes_in(begin_with)
            # A plain head goes on within an 'mmi' one, which aligns sooner.
            sizes.pop("head", None)
            return presets.preset("warm").replace(**sizes)
        return presets.preset("full" if choose_device(AUTO).type == "cuda" else "small")
