"""TensorBoard logs: scalars, and the validations' pictures and sound."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from ponytaco.errors import PonytacoError
from ponytaco.printable import say
from ponytaco.training.metrics import StepReport
from ponytaco.training.validation import Validation

# A file that is open all the time may never reach Drive, and many small files are slow there.
_COPY_SECONDS = 30 * 60


class TensorBoardError(PonytacoError):
    """TensorBoard is not installed."""


class EventLog:
    """Writer of event files on a local disk, which copies closed ones elsewhere.

    Args:
        folder: the event files' folder, on a local disk.
        copies: folder for copies of closed files, such as one on Drive; None makes no copies.
        clock: returns seconds.

    Raises:
        TensorBoardError: if the package tensorboard is missing.
    """

    def __init__(
        self,
        folder: Path,
        copies: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise TensorBoardError(
                "TensorBoard is not installed. Install it with: pip install ponytaco[tensorboard], "
                "or switch it off in the settings."
            ) from None
        self._writer: Any = SummaryWriter(str(folder))
        self._folder, self._copies, self._clock = folder, copies, clock
        self._copied_at = clock()

    def on_step(self, report: StepReport) -> None:
        """Write the losses, the learning rate and the speed."""
        for name, value in report.losses.items():
            self._writer.add_scalar(f"training/{name}", value, report.step)
        self._writer.add_scalar("training/learning_rate", report.learning_rate, report.step)
        self._writer.add_scalar("speed/seconds_per_step", report.seconds_per_step, report.step)

    def on_validation(self, validation: Validation) -> None:
        """Write the scores, the picture of attention, mels and gate, and the spoken sample."""
        for name, value in validation.history_row().items():
            self._writer.add_scalar(f"validation/{name}", value, validation.step)
        if validation.picture:
            with Image.open(io.BytesIO(validation.picture)) as image:
                pixels = np.asarray(image.convert("RGB"))
            self._writer.add_image("validation", pixels, validation.step, dataformats="HWC")
        if validation.sample:
            samples, rate = soundfile.read(io.BytesIO(validation.sample), dtype="float32")
            self._writer.add_audio("validation", samples[None], validation.step, rate)
        if self._copies is not None and self._clock() - self._copied_at > _COPY_SECONDS:
            self._writer.close()  # the next value opens a new file
            self._copy()

    def close(self) -> None:
        """Close the event file and copy new ones."""
        self._writer.close()
        self._copy()

    def _copy(self) -> None:
        self._copied_at = self._clock()
        if self._copies is None:
            return
        try:
            self._copies.mkdir(exist_ok=True)  # never the run's folder, in a mount that is gone
            for path in sorted(self._folder.glob("events.out.*")):
                target = self._copies / path.name
                if not target.is_file() or target.stat().st_size != path.stat().st_size:
                    shutil.copyfile(path, target)
        except OSError as error:
            # Losing the curves must not end the training.
            say(f"TensorBoard's files could not be copied to {self._copies}: {error}.")
