"""Many lines at once: a text box, and a zip of wavs."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ponytaco.notebook.environment import NotebookError, friendly, has_widgets, show
from ponytaco.notebook.page import download_link, paragraph, wav_bytes
from ponytaco.notebook.voices import TrainedVoice, save_through_browser
from ponytaco.text import TextError


@friendly
def ask_for_lines(voice: TrainedVoice, vocoder: str = "griffin_lim") -> None:
    """Show a text box and a button that speaks every line of it; nothing waits for it.

    Args:
        voice: of ``pick_voice``.
        vocoder: how the mel becomes sound.
    """
    if not has_widgets():
        print('Here is no text box. Call: speak_lines(voice, "First line.\\nSecond line.")')
        return
    import ipywidgets as widgets

    text = widgets.Textarea(
        placeholder="Hello, everypony!\nHow are you today?",
        layout=widgets.Layout(width="min(620px, 98%)", height="120px"),
    )
    button = widgets.Button(description="Speak all lines", button_style="primary")
    # Not an Output widget: the classic notebook of Colab's time fails to show one.
    progress = widgets.HTML()

    def on_click(event: Any) -> None:
        button.disabled = True
        said: list[str] = []

        def say(sentence: str) -> None:
            said.append(paragraph(sentence))
            progress.value = "".join(said)

        try:
            path = _speak_lines(voice, text.value, vocoder, say)
            link = download_link(path.read_bytes(), path.name, "application/zip")
            progress.value = "".join([*said, link])
        except NotebookError as error:
            say(str(error))
        finally:
            button.disabled = False

    button.on_click(on_click)
    label = widgets.HTML(paragraph("One line, one wav:"))
    show(widgets.VBox([label, text, button, progress]))


def speak_lines(voice: TrainedVoice, text: str, vocoder: str = "griffin_lim") -> Path:
    """Speak every line of a text into a wav of its own, all in one zip.

    Args:
        voice: of ``pick_voice``.
        text: a line a wav; empty lines are left out.
        vocoder: how the mel becomes sound.

    Returns:
        ``lines.zip`` in the run's folder ``speech``.

    Raises:
        NotebookError: there are no lines, or no usable checkpoint.
    """
    path = _speak_lines(voice, text, vocoder, print)
    save_through_browser(path)
    return path


@friendly
def _speak_lines(voice: TrainedVoice, text: str, vocoder: str, say: Callable[[str], None]) -> Path:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise TextError("There are no lines. Write one into the box, and press the button again.")
    opened = voice.open(vocoder)
    folder = voice.run.folder / "speech"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lines.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number, line in enumerate(lines, start=1):
            say(f"{number} of {len(lines)}: {line}")
            try:
                speech = opened.speak(line)
            except TextError as error:
                say(f"That line is left out: {error}")
                continue
            sound = wav_bytes(speech.waveform, speech.sample_rate)
            archive.writestr(f"{number:03d}_{_file_name(line)}.wav", sound)
        n_spoken = len(archive.namelist())
    say(f"{n_spoken} of {len(lines)} lines are in {path}.")
    return path


def _file_name(line: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", line)[:40].strip("-").lower() or "line"
