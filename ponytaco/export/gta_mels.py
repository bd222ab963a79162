"""Mels as a trained voice makes them of its own clips: what a vocoder is fine-tuned on."""

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
from ponytaco.errors import PonytacoError
from ponytaco.io.atomic import atomic_write
from ponytaco.model.layers import length_mask
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.runs.folder import Run, write_text


class MelsError(PonytacoError):
    """The mels cannot be written."""


@dataclass(frozen=True)
class WrittenMels:
    """Where they are."""

    folder: Path
    """One <wav's name>.npy a clip, (n_mels, T_mel) float32, and the lists."""
    wavs: Path
    """Where the clips' audio is."""
    training_list: Path
    validation_list: Path
    n_clips: int
    n_frames: int


def write_mels(
    run: Run,
    out: Path | None = None,
    dataset_folder: Path | None = None,
    device: str = "auto",
    log: Callable[[str], None] = print,
) -> WrittenMels:
    """Write a voice's teacher-forced mels of all its clips, with lists for HiFi-GAN's fine-tuning.

    The voice is fed the true frames, so its mels are as long as the clips' own, frame for frame,
    but blurred as those that it speaks. All dropouts are off but the prenet's, which is on by
    design, and seeded.

    Args:
        run: a trained voice; its best checkpoint, or else its newest.
        out: the folder to write to; ``mels`` in the run's if left out.
        dataset_folder: the clips; where the run was trained if left out.
        device: 'auto', 'cpu', 'cuda' ….
        log: takes the names of clips that cannot be read.

    Raises:
        RunError, CheckpointError: there is no usable checkpoint.
        FilelistError: the data set is not usable, or is no longer where it was.
        MelsError: two clips have one name, or the disk is full.
    """
    checkpoint = load_checkpoint(run.voice())
    if dataset_folder is None and len(checkpoint.dataset_folders) > 1:
        names = ", ".join(str(folder) for folder in checkpoint.dataset_folders)
        raise FilelistError(
            f"The run was trained on several data sets ({names}), whose clips may have the same "
            "names. Name one at a time: ponytaco mels RUN --data FOLDER --out FOLDER"
        )
    folder = dataset_folder or Path(checkpoint.dataset)
    if dataset_folder is None and not (checkpoint.dataset and folder.is_dir()):
        raise FilelistError(
            f"The run was trained on {folder}, which is not there now. "
            "Name the data set: ponytaco mels RUN --data FOLDER"
        )
    config = checkpoint.config
    data = open_datasets(
        read_dataset(folder), config.audio, checkpoint.symbols, config.train.cleaner, log
    )
    out = out or run.folder / "mels"
    wavs = _wavs_folder(folder, [*data.train.clips, *data.val.clips])
    chosen = choose_device(device)
    model = checkpoint.build_model().to(chosen)
    n_frames = 0
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, dataset in (("training.txt", data.train), ("validation.txt", data.val)):
            mels = _teacher_forced(model, dataset, config.train.batch_size, config.train.seed)
            for clip, mel in zip(dataset.clips, mels, strict=True):
                _save(out / f"{clip.path.stem}.npy", mel)
                n_frames += mel.shape[1]
            write_text(out / name, "".join(_line(clip, wavs) for clip in dataset.clips))
    except OSError as error:
        raise MelsError(
            f"The mels cannot be written to {out}: {error.strerror or error}. Is the disk full?"
        ) from None
    n_clips = len(data.train) + len(data.val)
    return WrittenMels(out, wavs, out / "training.txt", out / "validation.txt", n_clips, n_frames)


@torch.no_grad()
def _teacher_forced(
    model: Tacotron2, dataset: ClipDataset, batch_size: int, seed: int
) -> Iterator[Tensor]:
    """Each clip's mel (n_mels, T_mel), in the clips' order."""
    device = next(model.parameters()).device
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        for batch in validation_batches(dataset, batch_size):
            batch = batch.to(device)
            # With masks, as synthesis does and training does not: a clip's mel is to be the same
            # whatever longer clips are in its batch.
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
    """The folder that HiFi-GAN is to be given.

    Raises:
        MelsError: it would take one clip's mel for another's.
    """
    by_name: dict[str, Clip] = {}
    for clip in clips:
        other = by_name.setdefault(clip.path.stem, clip)
        if other is not clip:
            raise MelsError(
                f"{other.path} and {clip.path} would share one mel, {clip.path.stem}.npy: "
                "HiFi-GAN goes by the file's name alone. Rename one of them, in its list too."
            )
    wavs = folder / "wavs"
    return wavs if all(clip.path.is_relative_to(wavs) for clip in clips) else folder


def _line(clip: Clip, wavs: Path) -> str:
    """What HiFi-GAN reads: the wav's path within its folder, without its ending, and a text."""
    return f"{clip.path.relative_to(wavs).with_suffix('').as_posix()}|{clip.text}\n"


def _save(path: Path, mel: Tensor) -> None:
    """Write an array; it is there whole or not at all."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.save(file, mel.float().numpy().copy(), allow_pickle=False)
