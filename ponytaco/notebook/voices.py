"""Trained voices: picking one, and hearing it speak."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

from ponytaco.audio.wav import save_wav
from ponytaco.device import choose_device
from ponytaco.formatting import duration
from ponytaco.notebook.characters import Character
from ponytaco.notebook.environment import friendly, in_colab
from ponytaco.notebook.speech_form import Manner
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.widgets.chooser import Option, pick
from ponytaco.notebook.widgets.events import can_wait
from ponytaco.notebook.widgets.html import (
    download_link,
    paragraph,
    picture,
    player,
    png_bytes,
    show_html,
    wav_bytes,
)
from ponytaco.plotting import plot_alignment
from ponytaco.runs.folder import Run, RunError
from ponytaco.runs.movie import MovieError, make_movie
from ponytaco.synthesis.result import Sentence, Speech
from ponytaco.synthesis.voice import Voice

# A notebook carries its players in its file: minutes of sound would make it too large to save.
_LONGEST_EMBEDDED_SECONDS = 120
_MOST_PICTURES = 12


@dataclass(frozen=True)
class TrainedVoice:
    """A run that can speak.

    Attributes:
        name: the character's.
        run: its folder.
    """

    name: str
    run: Run

    def open(self, manner: Manner | None = None) -> Voice:
        """Load it, and say what there is to say of it.

        Raises:
            RunError, CheckpointError: there is no usable checkpoint.
            LexiconError, VocoderError: a dictionary or a vocoder cannot be used.
        """
        manner = manner or Manner()
        voice = Voice(
            self.run.folder,
            manner.vocoder,
            choose_device("auto"),
            dictionaries=manner.dictionaries,
        )
        for note in voice.notes:
            print(note)
        return voice


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
    voice: TrainedVoice, text: str, manner: Manner | None = None, download: bool = False
) -> Path:
    """Speak a text of any length; each sentence can be heard as soon as it is ready.

    Args:
        voice: of ``pick_voice``.
        text: what to say.
        manner: of ``manner``: how to say it.
        download: also save it through the browser.

    Returns:
        The wav, in the run's folder ``speech``.

    Raises:
        NotebookError: there is nothing to say, or no usable checkpoint.
    """
    manner = manner or Manner()
    opened = voice.open(manner)
    started = time.monotonic()
    shown = itertools.count(1)
    speech = opened.speak(
        text,
        manner.delivery,
        keep=False,
        on_sentence=lambda sentence: show_sentence(sentence, opened.audio.sample_rate, next(shown)),
    )
    took = time.monotonic() - started
    path = _speech_path(voice.run)
    save_wav(path, speech.waveform, speech.sample_rate)
    show_speech(speech, f"{voice.name}, step {opened.step:,}")
    html = paragraph(f"{speech.seconds:.1f} s of speech in {duration(took)}; saved as {path}.")
    if speech.seconds <= _LONGEST_EMBEDDED_SECONDS:
        html += download_link(path.read_bytes(), path.name, "audio/wav")
    show_html(html)
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


def show_sentence(sentence: Sentence, sample_rate: int, number: int) -> None:
    """One sentence: its text, a player, what to know about it, and its attention.

    Args:
        sentence: with its attention.
        sample_rate: Hz.
        number: counted from 1; later ones are shown without pictures.
    """
    html = player(wav_bytes(sentence.waveform, sample_rate), sentence.text)
    html += "".join(paragraph(f"Mind: {warning}") for warning in sentence.warnings)
    if number <= _MOST_PICTURES and sentence.alignment is not None:
        figure = plot_alignment(sentence.alignment, str(sentence.score))
        html += picture(png_bytes(figure), width=420)
    show_html(html)


def show_speech(speech: Speech, caption: str) -> None:
    """What to know about the whole, and a player where it is several sentences, yet not an hour."""
    html = paragraph(caption)
    if len(speech.sentences) > 1 and speech.seconds <= _LONGEST_EMBEDDED_SECONDS:
        html = player(wav_bytes(speech.waveform, speech.sample_rate), caption)
    notes = [*speech.notes, *([speech.babble] if speech.babble else [])]
    html += "".join(paragraph(f"Mind: {note}") for note in notes)
    html += "".join(paragraph(f"Cannot be spoken: {text}") for text in speech.left_out)
    if speech.spelled:
        html += paragraph(f"Read by their letters: {', '.join(speech.spelled)}.")
    show_html(html)


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
