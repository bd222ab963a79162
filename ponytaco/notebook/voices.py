"""Trained voices: picking one, and hearing it speak."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ponytaco.audio import save_wav
from ponytaco.movie import MovieError, make_movie
from ponytaco.notebook.characters import Character
from ponytaco.notebook.environment import friendly, in_colab
from ponytaco.notebook.events import can_wait
from ponytaco.notebook.page import (
    download_link,
    paragraph,
    picture,
    player,
    png_bytes,
    show_html,
    wav_bytes,
)
from ponytaco.notebook.pick import Option, pick
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.words import duration
from ponytaco.plots import plot_alignment
from ponytaco.run import Run, RunError
from ponytaco.synthesis import Speech, Voice
from ponytaco.training import choose_device


@dataclass(frozen=True)
class TrainedVoice:
    """A run that can speak.

    Attributes:
        name: the character's.
        run: its folder.
    """

    name: str
    run: Run

    def open(self, vocoder: str = "griffin_lim") -> Voice:
        """Load it.

        Raises:
            RunError, CheckpointError: there is no usable checkpoint.
        """
        return Voice(self.run.folder, vocoder, choose_device("auto"))


@friendly
def pick_voice(storage: Storage, name: str = "") -> TrainedVoice:
    """Let the user pick a trained voice, and wait for it; the newest comes first.

    Args:
        storage: of ``connect_storage``.
        name: picks this one without asking.

    Raises:
        NotebookError: there is none, or none of that name.
    """
    voices = trained_voices(storage)
    if not voices:
        raise RunError(
            f"There are no trained voices in {storage.runs}. Train one with Training.ipynb first."
        )
    by_name = {voice.name: voice for voice in voices}
    if name and name.strip() not in by_name:
        raise RunError(f"There is no voice '{name}'. There are: {', '.join(by_name)}.")
    chosen = by_name[name.strip()] if name else voices[0]
    if not name and (len(voices) > 1 or not can_wait()):
        options = [Option(v.name, _label(v)) for v in voices]
        chosen = by_name[pick(options, "Which voice shall speak?", "Use this voice").name]
    print(f"{chosen.name} is ready to speak.")
    return chosen


def trained_voices(storage: Storage) -> list[TrainedVoice]:
    """The runs that can speak, newest first."""
    if not storage.runs.is_dir():
        return []
    runs = [Run(folder) for folder in storage.runs.iterdir() if folder.is_dir()]
    able = [run for run in runs if run.best_model.is_file() or run.resumable]
    able.sort(key=lambda run: run.voice().stat().st_mtime, reverse=True)
    return [TrainedVoice(run.folder.name, run) for run in able]


@friendly
def speak(
    voice: TrainedVoice, text: str, vocoder: str = "griffin_lim", download: bool = False
) -> Path:
    """Speak a text: player, picture of the attention with its score, and a file.

    Args:
        voice: of ``pick_voice``.
        text: what to say.
        vocoder: how the mel becomes sound.
        download: also save it through the browser.

    Returns:
        The wav, in the run's folder ``speech``.

    Raises:
        NotebookError: there is nothing to say, or no usable checkpoint.
    """
    opened = voice.open(vocoder)
    started = time.monotonic()
    speech = opened.speak(text)
    took = time.monotonic() - started
    path = _speech_path(voice.run)
    save_wav(path, speech.waveform, speech.sample_rate)
    show_speech(speech, f"{voice.name}, step {opened.step:,}")
    show_html(
        paragraph(f"{speech.seconds:.1f} s of speech in {duration(took)}; saved as {path}.")
        + download_link(path.read_bytes(), path.name, "audio/wav")
    )
    if download:
        save_through_browser(path)
    return path


@friendly
def hear_progress(character: Character, storage: Storage, text: str) -> None:
    """Let a voice in training speak, and show how its attention grew.

    Args:
        character: of ``pick_character``.
        storage: of ``connect_storage``.
        text: what to say.

    Raises:
        NotebookError: it has not been trained yet.
    """
    voice = TrainedVoice(character.name, storage.run(character.name))
    speak(voice, text)
    try:
        movie = make_movie(voice.run)
    except MovieError as error:
        print(error)
        return
    show_html(paragraph("How the attention grew, a frame for each check:"))
    show_html(picture(movie.read_bytes(), 640, "image/gif"))


def show_speech(speech: Speech, caption: str) -> None:
    """A player, what to know about it, and a picture of each sentence's attention."""
    sound = wav_bytes(speech.waveform, speech.sample_rate)
    html = player(sound, caption)
    html += "".join(paragraph(f"Mind: {warning}") for warning in speech.warnings)
    if speech.spelled:
        html += paragraph(f"Read by their letters: {', '.join(speech.spelled)}.")
    show_html(html)
    for sentence in speech.sentences:
        figure = plot_alignment(sentence.alignment, str(sentence.score))
        show_html(paragraph(sentence.text) + picture(png_bytes(figure), width=420))


def save_through_browser(path: Path) -> None:
    """Download a file on Colab; elsewhere it is on this machine already."""
    if in_colab():
        from google.colab import files

        files.download(str(path))
    else:
        print(f"The file is at {path}.")


def _speech_path(run: Run) -> Path:
    folder = run.folder / "speech"
    folder.mkdir(parents=True, exist_ok=True)
    stem = time.strftime("%Y-%m-%d_%H-%M-%S")
    number, path = 1, folder / f"{stem}.wav"
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}.wav"
    return path


def _label(voice: TrainedVoice) -> str:
    age = duration(time.time() - voice.run.voice().stat().st_mtime)
    return f"{voice.name} (saved {age} ago)"
