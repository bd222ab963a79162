"""Preparing a character's clips from a notebook, and listening to some of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import soundfile

from data_prep.dataset_writer import prepare
from data_prep.options import ClipOptions
from ponytaco.audio.mel import MelSpectrogram
from ponytaco.audio.wav import load_wav
from ponytaco.config import AudioConfig
from ponytaco.data.dataset_folder import Clip, read_dataset
from ponytaco.formatting import counted
from ponytaco.notebook.character_notes import add_notes
from ponytaco.notebook.errors import explain_errors
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.training_form import wants_style_signs
from ponytaco.notebook.widgets.html import paragraph, picture, player, png_bytes, show_html, table
from ponytaco.plotting import plot_lengths, plot_mel


@explain_errors
def prepare_clips(
    storage: Storage, archive: Path, character: str, style_signs: str | bool = False
) -> Path:
    """Turn an archive into a dataset folder on the local disk, and show what was kept.

    Args:
        storage: from ``connect_storage``.
        archive: the soundtools tar.
        character: name of the voice.
        style_signs: put the sign of a clip's mood before its text: 'on', 'off', or 'auto' to do as
            the character's voice began.

    Returns:
        The dataset folder; if it is already there, from the same archive and with the same
        options, it is kept.

    Raises:
        PonytacoError: the archive is unreadable or has no usable clips, or the disk is full.
    """
    storage.require_connected()
    options = ClipOptions(style_signs=wants_style_signs(style_signs, storage.run(character)))
    prepared = prepare(archive, storage.dataset(character), options)
    report = prepared.report
    show_report(prepared.folder, report)
    add_notes(storage, character, minutes=report["minutes"], clips=report["kept"])
    return prepared.folder


@explain_errors
def listen_to_clips(dataset: Path, count: int = 3, seed: int = 0) -> None:
    """Show some training clips, each with its text, a player and its mel spectrogram.

    Args:
        dataset: from ``prepare_clips``.
        count: number of clips.
        seed: of the random choice.
    """
    clips = read_dataset(dataset).train
    for clip in random.Random(seed).sample(clips, min(count, len(clips))):
        _show_clip(clip, AudioConfig())


def show_report(dataset: Path, report: dict[str, Any]) -> None:
    """Show how many clips were kept, why others were left out, and a histogram of lengths.

    Args:
        dataset: the dataset folder.
        report: the content of its report.json.
    """
    html = paragraph(
        f"Kept {report['kept']} of {counted(report['clips'], 'clip')}, "
        f"{report['minutes']:.1f} minutes: {report['train']} to learn from, {report['val']} to "
        "check with.",
        bold=True,
    )
    if n_timed := report["alignments"]["kept"]:
        html += paragraph(
            f"{n_timed} with the time of each sound, which makes learning fast; "
            f"{report['with_arpabet']} with their pronunciation."
        )
    if report["minutes"] < 5:
        html += paragraph(
            "This is not much speech: choose a warm start in '3. Settings' of Training.ipynb."
        )
    if report["rejected"]:
        rows = [(str(count), reason, report["rejected_examples"][reason][0])
                for reason, count in report["rejected"].items()]  # fmt: skip
        html += paragraph("Left out:") + table(rows, ("clips", "why", "for example"))
    show_html(html)
    clips = read_dataset(dataset)
    lengths = clip_seconds([*clips.train, *clips.val])
    show_html(picture(png_bytes(plot_lengths(lengths)), width=520))


def clip_seconds(clips: Sequence[Clip]) -> list[float]:
    """Return the lengths of clips in seconds, from their headers."""
    return [float(soundfile.info(str(clip.path)).duration) for clip in clips]


def _show_clip(clip: Clip, audio: AudioConfig) -> None:
    waveform = load_wav(clip.path, audio.sample_rate)
    to_mel = MelSpectrogram(
        audio.sample_rate, audio.n_fft, audio.hop_length, audio.win_length, audio.n_mels,
        audio.f_min, audio.f_max,
    )  # fmt: skip
    mel = to_mel(waveform[None])[0].numpy()
    html = paragraph(f"“{clip.text}”", bold=True)
    if clip.arpabet:
        html += paragraph(clip.arpabet)
    show_html(html + player(clip.path.read_bytes()))
    show_html(picture(png_bytes(plot_mel(mel, clip.ref)), width=520))
