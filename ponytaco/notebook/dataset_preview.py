"""Showing prepared clips: what was kept and why not, their lengths, and three to listen to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import soundfile

from ponytaco.audio.mel import MelSpectrogram
from ponytaco.audio.wav import load_wav
from ponytaco.config import AudioConfig
from ponytaco.data.dataset_folder import Clip, read_dataset
from ponytaco.notebook.character_notes import note
from ponytaco.notebook.characters import Character
from ponytaco.notebook.environment import friendly
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.widgets.html import paragraph, picture, player, png_bytes, show_html, table
from ponytaco.plotting import plot_lengths, plot_mel

_MOST_SHOWN = 12


class Packing(Protocol):
    """What packing recordings tells."""

    @property
    def clips(self) -> int:
        """How many were packed."""

    @property
    def seconds(self) -> float:
        """Of all clips."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """A sentence for each that was not."""


@friendly
def show_report(folder: Path, report: dict[str, Any]) -> None:
    """Show what a preparation kept, what it left out and why, and how long the clips are.

    Args:
        folder: the dataset folder.
        report: the content of its report.json.
    """
    alignments = report["alignments"]
    html = paragraph(
        f"Kept {report['kept']} of {report['clips']} clips, {report['minutes']:.1f} minutes: "
        f"{report['train']} to learn from, {report['val']} to check with.",
        bold=True,
    )
    html += paragraph(
        f"{alignments['kept']} clips say when each sound is spoken, which makes learning fast; "
        f"{report['with_arpabet']} have their pronunciation."
    )
    if report["minutes"] < 5:
        html += paragraph("That is little speech: begin with another voice's weights (3. Settings)")
    if report["rejected"]:
        rows = [(str(count), reason, report["rejected_examples"][reason][0])
                for reason, count in report["rejected"].items()]  # fmt: skip
        html += paragraph("Left out:") + table(rows, ("clips", "why", "for example"))
    show_html(html)
    dataset = read_dataset(folder)
    lengths = clip_seconds([*dataset.train, *dataset.val])
    show_html(picture(png_bytes(plot_lengths(lengths)), width=520))


def clip_seconds(clips: Sequence[Clip]) -> list[float]:
    """The clips' lengths, from their headers."""
    return [float(soundfile.info(str(clip.path)).duration) for clip in clips]


def remember(character: Character, storage: Storage, report: dict[str, Any]) -> None:
    """Remember a character's minutes, so that the list can show them next time.

    Args:
        character: of ``pick_character``.
        storage: of ``connect_storage``.
        report: the content of report.json.
    """
    note(storage, character.name, minutes=report["minutes"], clips=report["kept"])


@friendly
def listen_to_clips(folder: Path, count: int = 3, seed: int = 0) -> None:
    """Show some clips with their text, mel picture and player.

    Args:
        folder: a dataset folder.
        count: how many.
        seed: another one shows others.
    """
    clips = read_dataset(folder).train
    for clip in random.Random(seed).sample(clips, min(count, len(clips))):
        _show_clip(clip, AudioConfig())


@friendly
def show_packed(packed: Packing) -> None:
    """Show what packing recordings took and what it left out."""
    html = paragraph(f"Packed {packed.clips} clips, {packed.seconds / 60:.1f} minutes.", bold=True)
    html += "".join(paragraph(f"Left out {why}") for why in packed.left_out[:_MOST_SHOWN])
    if len(packed.left_out) > _MOST_SHOWN:
        html += paragraph(f"Left out {len(packed.left_out) - _MOST_SHOWN} more for such reasons.")
    show_html(html)


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
