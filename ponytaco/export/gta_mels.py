"""Ground-truth-aligned (GTA) mels: a voice's teacher-forced mels, to fine-tune a vocoder on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ponytaco.checkpoint.format import load_checkpoint
from ponytaco.data.dataset import ClipDataset, open_datasets
from ponytaco.data.dataset_folder import Clip, FilelistError, read_dataset
from ponytaco.data.loader import validation_batches
from ponytaco.device import choose_device
from ponytaco.errors import PonytacoError, disk_problem
from ponytaco.io.atomic import atomic_write
from ponytaco.model.layers import length_mask
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.printable import say
from ponytaco.runs.folder import Run, write_text


class MelsError(PonytacoError):
    """The mels cannot be written."""


# HiFi-GAN trains on segments of 8,192 samples, 32 frames, and draws where they begin from what a
# mel has beyond them.
_LEAST_FRAMES = 33


@dataclass(frozen=True)
class WrittenMels:
    """Paths of the written mels and lists, and their numbers."""

    folder: Path
    """Holds <wav's name>.npy for each clip, (n_mels, T_mel) float32, and the lists."""
    wavs: Path
    """The folder of the clips' audio."""
    training_list: Path
    validation_list: Path
    n_clips: int
    n_frames: int
    n_left_out: int
    """Clips that are too short for HiFi-GAN."""


def write_mels(
    run: Run,
    out: Path | None = None,
    dataset_folder: Path | None = None,
    device: str = "auto",
    log: Callable[[str], None] = say,
) -> WrittenMels:
    """Write the teacher-forced mels of all clips of a run, with lists for HiFi-GAN's fine-tuning.

    They match the clips frame by frame, but are as blurred as the voice's own speech. All dropouts
    are off except the prenet's, which is always on, and seeded here. HiFi-GAN does not centre its
    frames and so has T_wav // hop_length of them, one fewer than a voice: the last is left out, and
    so are clips too short for its segments.

    Args:
        run: a trained voice; its best checkpoint, or else its newest.
        out: the folder to write to; ``mels`` in the run's folder by default.
        dataset_folder: the clips; by default those that the run was trained on.
        device: 'auto', 'cpu', 'cuda' ….
        log: takes messages about clips that cannot be read.

    Raises:
        RunError, CheckpointError: if there is no usable checkpoint.
        FilelistError: if the data set cannot be used, or has been moved.
        MelsError: if two clips have the same name, all are too short, or the disk is full.
    """
    checkpoint = load_checkpoint(run.voice())
    if dataset_folder is None and len(checkpoint.dataset_folders) > 1:
        names = ", ".join(str(folder) for folder in checkpoint.dataset_folders)
        raise FilelistError(
            f"The run was trained on several data sets ({names}), whose clips may have the same "
            "names. Give one at a time: ponytaco mels RUN --data FOLDER --out FOLDER"
        )
    folder = dataset_folder or Path(checkpoint.dataset)
    if dataset_folder is None and not (checkpoint.dataset and folder.is_dir()):
        raise FilelistError(
            f"The run was trained on {folder}, which no longer exists. "
            "Give the data set: ponytaco mels RUN --data FOLDER"
        )
    config = checkpoint.config
    data = open_datasets(
        read_dataset(folder), config.audio, checkpoint.symbols, config.train.cleaner, log
    )
    out = out or run.folder / "mels"
    wavs = _wavs_folder(folder, [*data.train.clips, *data.val.clips])
    chosen = choose_device(device)
    model = checkpoint.build_model().to(chosen)
    n_frames = n_clips = 0
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, dataset in (("training.txt", data.train), ("validation.txt", data.val)):
            mels = _teacher_forced(model, dataset, config.train.batch_size, config.train.seed)
            lines = []
            for clip, mel in zip(dataset.clips, mels, strict=True):
                mel = mel[:, :-1]
                if mel.shape[1] < _LEAST_FRAMES:
                    continue
                _save(out / f"{clip.path.stem}.npy", mel)
                lines.append(_line(clip, wavs))
                n_frames += mel.shape[1]
            if not lines:
                raise MelsError(
                    f"All clips for {name} are shorter than {_LEAST_FRAMES} frames, too short for "
                    "HiFi-GAN. Prepare longer ones."
                )
            write_text(out / name, "".join(lines))
            n_clips += len(lines)
    except OSError as error:
        raise MelsError(f"The mels cannot be written to {out}: {disk_problem(error)}") from None
    n_left_out = len(data.train) + len(data.val) - n_clips
    lists = (out / "training.txt", out / "validation.txt")
    return WrittenMels(out, wavs, *lists, n_clips, n_frames, n_left_out)


@torch.no_grad()
def _teacher_forced(
    model: Tacotron2, dataset: ClipDataset, batch_size: int, seed: int
) -> Iterator[Tensor]:
    """Compute each clip's mel (n_mels, T_mel), in the clips' order."""
    device = next(model.parameters()).device
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        for batch in validation_batches(dataset, batch_size):
            batch = batch.to(device)
            # With masks, as in synthesis but not in training: a clip's mel must not depend on the
            # rest of its batch.
            embedded = model.embedding(batch.text).transpose(1, 2)
            text_mask = length_mask(batch.text_lengths, batch.text.shape[1], device)
            memory = model.encoder(embedded, batch.text_lengths, text_mask)
            mask = length_mask(batch.mel_lengths, batch.mel.shape[2], device)
            coarse = model.decoder(memory, batch.text_lengths, batch.mel).mel
            coarse = coarse.masked_fill(~mask[:, None], 0.0)
            mels = coarse + model.postnet(coarse, mask)
            for mel, length in zip(mels.cpu(), batch.mel_lengths.tolist(), strict=True):
                yield mel[:, :length]


def _wavs_folder(folder: Path, clips: Sequence[Clip]) -> Path:
    """Return the folder of audio to give to HiFi-GAN.

    Raises:
        MelsError: if it would confuse the mels of two clips.
    """
    by_name: dict[str, Clip] = {}
    for clip in clips:
        other = by_name.setdefault(clip.path.stem.casefold(), clip)
        if other is not clip:
            raise MelsError(
                f"{other.path} and {clip.path} would share one mel, {clip.path.stem}.npy: "
                "HiFi-GAN uses the file's name alone, and some systems ignore its case. Rename one "
                "of them, in its list too."
            )
    wavs = folder / "wavs"
    return wavs if all(clip.path.is_relative_to(wavs) for clip in clips) else folder


def _line(clip: Clip, wavs: Path) -> str:
    """Format a line for HiFi-GAN: the wav's path in its folder, without suffix, and its text."""
    return f"{clip.path.relative_to(wavs).with_suffix('').as_posix()}|{clip.text}\n"


def _save(path: Path, mel: Tensor) -> None:
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.save(file, mel.float().numpy().copy(), allow_pickle=False)
