"""Trained voices: picking one and letting it speak."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

from ponytaco.audio.wav import save_wav, wav_bytes
from ponytaco.device import choose_device
from ponytaco.formatting import and_more, duration
from ponytaco.notebook.characters import Character
from ponytaco.notebook.environment import in_colab
from ponytaco.notebook.errors import explain_errors
from ponytaco.notebook.fields import bare, find_name
from ponytaco.notebook.reading import show_reading
from ponytaco.notebook.speech_form import SpeechSettings
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.widgets.chooser import Option, choose
from ponytaco.notebook.widgets.events import can_wait
from ponytaco.notebook.widgets.html import (
    download_link,
    paragraph,
    picture,
    player,
    png_bytes,
    show_html,
)
from ponytaco.plotting import plot_alignment
from ponytaco.printable import say
from ponytaco.runs.folder import Run, RunError
from ponytaco.runs.movie import MovieError, make_movie
from ponytaco.synthesis.result import Sentence, Speech
from ponytaco.synthesis.voice import Voice
from ponytaco.text.pronouncer import guess_note

# Players are embedded in the notebook's file: minutes of sound would make it too large to save.
_LONGEST_EMBEDDED_SECONDS = 120
_MOST_PICTURES = 12
_MOST_NAMED = 12


@dataclass(frozen=True)
class TrainedVoice:
    """Run with a checkpoint that can speak.

    Attributes:
        name: of the character.
        run: its folder.
    """

    name: str
    run: Run

    def open(self, settings: SpeechSettings | None = None) -> Voice:
        """Load the voice with its vocoder, and print its notes.

        Raises:
            RunError, CheckpointError: there is no usable checkpoint.
            LexiconError, VocoderError: a dictionary or the vocoder cannot be used.
        """
        settings = settings or SpeechSettings()
        voice = Voice(
            self.run.folder,
            settings.vocoder,
            choose_device("auto"),
            dictionaries=settings.dictionaries,
        )
        for note in voice.notes:
            say(note)
        return voice


@explain_errors
def pick_voice(storage: Storage, name: str = "") -> TrainedVoice:
    """Let the user pick a trained voice, and wait for it; the newest comes first.

    Args:
        storage: from ``connect_storage``.
        name: of a voice to pick without asking; empty to ask.

    Raises:
        PonytacoError: there are no voices, or none of that name.
    """
    voices = trained_voices(storage)
    if not voices:
        raise RunError(
            f"There are no trained voices in {storage.runs}. Train one with Training.ipynb first."
        )
    by_name = {voice.name: voice for voice in voices}
    name = bare(name)
    found = find_name(name, by_name) if name else voices[0].name
    if found is None:
        names = and_more(list(by_name), _MOST_NAMED)
        raise RunError(f"There is no voice '{name}', only: {names}.")
    picked = by_name[found]
    if not name and (len(voices) > 1 or not can_wait()):
        options = [Option(v.name, _label(v)) for v in voices]
        picked = by_name[choose(options, "Which voice do you want to hear?", "Use this voice").name]
    say(f"{picked.name} is ready to speak.")
    return picked


def trained_voices(storage: Storage) -> list[TrainedVoice]:
    """Return the runs that can speak, newest first."""
    if not storage.runs.is_dir():
        return []
    runs = [Run(folder) for folder in storage.runs.iterdir() if folder.is_dir()]
    able = [run for run in runs if run.best_model.is_file() or run.resumable]
    able.sort(key=lambda run: run.voice().stat().st_mtime, reverse=True)
    return [TrainedVoice(run.folder.name, run) for run in able]


@explain_errors
def speak(
    voice: TrainedVoice,
    text: str,
    settings: SpeechSettings | None = None,
    download: bool = False,
) -> Path:
    """Show what will be said of a text, and speak it; each sentence is heard once it is ready.

    Args:
        voice: from ``pick_voice``.
        text: from ``text_to_speak``.
        settings: from ``speech_settings``.
        download: also save the WAV file through the browser.

    Returns:
        The WAV file, in the folder ``speech`` of the run.

    Raises:
        PonytacoError: the text is empty, or there is no usable checkpoint.
    """
    path = _speak(voice, text, settings or SpeechSettings(), with_reading=True)
    if download:
        save_through_browser(path)
    return path


@explain_errors
def hear_progress(storage: Storage, character: Character, text: str) -> None:
    """Let a voice in training speak, and show how its attention grew.

    Args:
        storage: from ``connect_storage``.
        character: from ``pick_character``.
        text: to speak.

    Raises:
        PonytacoError: the voice has no checkpoint yet.
    """
    voice = TrainedVoice(character.name, storage.run(character.name))
    _speak(voice, text, SpeechSettings())
    try:
        movie = make_movie(voice.run)
    except MovieError as error:
        say(error)
        return
    show_html(paragraph("How the attention grew, one frame per check:"))
    show_html(picture(movie.read_bytes(), 640, "image/gif"))


def _speak(
    voice: TrainedVoice, text: str, settings: SpeechSettings, with_reading: bool = False
) -> Path:
    opened = voice.open(settings)
    if with_reading:
        show_reading(opened.read(text, settings.options.style), opened.symbols)
    started = time.monotonic()
    shown = itertools.count(1)
    speech = opened.speak(
        text,
        settings.options,
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
    return path


def show_sentence(sentence: Sentence, sample_rate: int, number: int) -> None:
    """Show a sentence: its text, a player, its warnings and its attention.

    Args:
        sentence: with its attention.
        sample_rate: Hz.
        number: counted from 1; only the first few are shown with pictures.
    """
    html = player(wav_bytes(sentence.waveform, sample_rate), sentence.text)
    html += "".join(paragraph(f"Note: {warning}") for warning in sentence.warnings)
    if number <= _MOST_PICTURES and sentence.alignment is not None:
        figure = plot_alignment(sentence.alignment, str(sentence.score))
        html += picture(png_bytes(figure), width=420)
    show_html(html)


def show_speech(speech: Speech, caption: str) -> None:
    """Show the notes on a whole text, and a player if it has several sentences but is not long."""
    html = paragraph(caption)
    if len(speech.sentences) > 1 and speech.seconds <= _LONGEST_EMBEDDED_SECONDS:
        html = player(wav_bytes(speech.waveform, speech.sample_rate), caption)
    notes = [*speech.notes, *([speech.babble] if speech.babble else [])]
    html += "".join(paragraph(f"Note: {note}") for note in notes)
    html += "".join(paragraph(f"Cannot be spoken: {text}") for text in speech.left_out)
    if speech.guessed:
        html += paragraph(guess_note(speech.guessed))
    if speech.spelled:
        html += paragraph(f"Read letter by letter: {', '.join(speech.spelled)}.")
    show_html(html)


def save_through_browser(path: Path) -> None:
    """Download a file on Colab; elsewhere print where it is."""
    if in_colab():
        from google.colab import files

        files.download(str(path))
    else:
        say(f"The file is at {path}.")


def _speech_path(run: Run) -> Path:
    folder = run.folder / "speech"
    folder.mkdir(exist_ok=True)
    stem = time.strftime("%Y-%m-%d_%H-%M-%S")
    number, path = 1, folder / f"{stem}.wav"
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}.wav"
    return path


def _label(voice: TrainedVoice) -> str:
    age = duration(time.time() - voice.run.voice().stat().st_mtime)
    return f"{voice.name} (saved {age} ago)"
