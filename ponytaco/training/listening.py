"""Listening: judges hear an aligned voice now and then, within a share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ponytaco.audio.wav import load_wav
from ponytaco.config import Config
from ponytaco.data.dataset import Datasets
from ponytaco.judges import judge
from ponytaco.judges.judge import Judges, Verdict, mean_verdict
from ponytaco.judges.whisper import is_installed
from ponytaco.runs.folder import Run
from ponytaco.runs.history import Column, HistoryRow
from ponytaco.runs.state import RunState
from ponytaco.training.interrupts import BestEffort
from ponytaco.training.rng import rng_state, set_rng_state
from ponytaco.vocoders.choice import AUTO
from ponytaco.vocoders.factory import Vocoder, open_vocoder

# Expected of the first one, which also hears the clips and is put off until it has its share: with
# HiFi-GAN 70 s on a busy core.
_FIRST_SECONDS = {"cpu": 90.0, "cuda": 30.0}
# Recordings that make the voice that others are compared with.
_N_REFERENCES = 12


@dataclass(frozen=True)
class Heard:
    """What the judges find in the voice, and in the clips through the same vocoder."""

    voice: Verdict
    clips: Verdict
    share: float
    """Share of the training's time that all listenings have taken."""

    def __str__(self) -> str:
        """Describe both, such as '62 % of words understood (the clips: 96 %)'."""
        taken = f"{self.share:.1%}".replace("%", " %")
        return f"{self.voice.beside(self.clips)}; listening took {taken} of the time"

    def history_row(self) -> HistoryRow:
        """Return the history columns of a listening."""
        values = {
            Column.UNDERSTOOD: self.voice.understood,
            Column.MOS: self.voice.mos,
            Column.LIKENESS: self.voice.likeness,
            Column.CLIPS_UNDERSTOOD: self.clips.understood,
            Column.CLIPS_MOS: self.clips.mos,
            Column.CLIPS_LIKENESS: self.clips.likeness,
            Column.LISTENING_SHARE: self.share,
        }
        return {column: value for column, value in values.items() if value is not None}


class Listener:
    """Hears the sentences that a validation speaks, through the best vocoder that is here.

    It changes no random numbers, and whatever goes wrong ends the listening, not the training.

    Args:
        run: the run's folder, which may have a vocoder.
        config: the run's settings.
        data: the clips; the voice speaks those of validation.
        device: where the vocoder computes.
        log: takes a message when listening begins or fails.
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        data: Datasets,
        device: torch.device,
        log: Callable[[str], None],
    ) -> None:
        self._run, self._config, self._data, self._device = run, config, data, device
        self._log = log
        self._best_effort = BestEffort(log)
        self._expected_seconds = _FIRST_SECONDS[device.type]
        self._judges: Judges | None = None
        self._vocoder: Vocoder | None = None
        self._clips: Verdict | None = None
        self.is_active = config.train.listening_share > 0 and is_installed()
        """Whether voices are listened to, now and then."""

    def hear(self, mels: Sequence[Tensor], aligned: bool, state: RunState) -> Heard | None:
        """Listen if it is time.

        Args:
            mels: (n_mels, T_mel) of the first validation clips, as the voice speaks them.
            aligned: whether attention is aligned; of another voice nothing is understood.
            state: counts the time.

        Returns:
            None if it is not time, or nobody can listen.
        """
        budget = self._config.train.listening_share * state.seconds
        in_time = state.listening_seconds + self._expected_seconds <= budget
        if not (self.is_active and aligned and in_time and mels):
            return None
        started, random_numbers = time.monotonic(), rng_state(self._device)
        is_first = self._clips is None
        found = self._best_effort("The judges cannot listen", self._judge, mels)
        set_rng_state(random_numbers, self._device)
        seconds = time.monotonic() - started
        state.record_listening(seconds)
        # The first one also hears the clips.
        self._expected_seconds = seconds / 2 if is_first else seconds
        if found is None or self._clips is None:
            self.is_active = False
            return None
        return Heard(found, self._clips, state.listening_seconds / max(state.seconds, seconds))

    @torch.no_grad()
    def _judge(self, mels: Sequence[Tensor]) -> Verdict:
        if self._clips is None:
            self._begin()
            real = [self._data.val.mels[i].T for i in range(len(mels))]
            self._clips = self._verdict(real)
        return self._verdict(mels)

    def _begin(self) -> None:
        audio = self._config.audio
        share = f"{self._config.train.listening_share:.0%}".replace("%", " %")
        self._log(f"Judges begin to listen, in at most {share} of the time (listening_share).")
        self._vocoder = open_vocoder(
            AUTO, audio, self._device, voice=self._run.folder, log=self._log
        )
        self._judges = judge.open_judges()
        clips = self._data.train.clips[:_N_REFERENCES]
        recordings = [load_wav(clip.path, audio.sample_rate).numpy() for clip in clips]
        self._judges.remember(recordings, audio.sample_rate)

    def _verdict(self, mels: Sequence[Tensor]) -> Verdict:
        assert self._vocoder is not None and self._judges is not None
        waveforms = [
            self._vocoder(mel[None].to(self._device))[0].float().cpu().numpy().astype(np.float32)
            for mel in mels
        ]
        opinions = self._judges.listen(waveforms, self._config.audio.sample_rate)
        return mean_verdict(opinions, [clip.text for clip in self._data.val.clips[: len(mels)]])
