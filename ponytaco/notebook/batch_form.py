"""Many lines at once: a text box, and a zip of wavs."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ponytaco.notebook.environment import NotebookError, friendly, has_widgets, show
from ponytaco.notebook.speech_form import Manner
from ponytaco.notebook.voices import TrainedVoice, save_through_browser
from ponytaco.notebook.widgets.html import download_link, paragraph, wav_bytes
from ponytaco.synthesis.batch import lines_of
from ponytaco.synthesis.batch import speak_lines as speak_all_lines
from ponytaco.text.errors import TextError


@friendly
def ask_for_lines(voice: TrainedVoice, manner: Manner | None = None) -> None:
    """Show a text box and a button that speaks every line of it; nothing waits for it.

    Args:
        voice: of ``pick_voice``.
        manner: of ``manner``: how to say them.
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
            path = _speak_lines(voice, text.value, manner, say)
            link = download_link(path.read_bytes(), path.name, "application/zip")
            progress.value = "".join([*said, link])
        except NotebookError as error:
            say(str(error))
        finally:
            button.disabled = False

    button.on_click(on_click)
    label = widgets.HTML(paragraph("One line, one wav:"))
    show(widgets.VBox([label, text, button, progress]))


def speak_lines(voice: TrainedVoice, text: str, manner: Manner | None = None) -> Path:
    """Speak every line of a text into a wav of its own, all in one zip.

    Args:
        voice: of ``pick_voice``.
        text: a line a wav; empty lines are left out.
        manner: of ``manner``: how to say them.

    Returns:
        ``lines.zip`` in the run's folder ``speech``.

    Raises:
        NotebookError: there are no lines, or no usable checkpoint.
    """
    path = _speak_lines(voice, text, manner, print)
    save_through_browser(path)
    return path


@friendly
def _speak_lines(
    voice: TrainedVoice, text: str, manner: Manner | None, say: Callable[[str], None]
) -> Path:
    lines = lines_of(text)
    manner = manner or Manner()
    opened = voice.open(manner)
    folder = voice.run.folder / "speech"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lines.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for line in speak_all_lines(opened, lines, manner.delivery):
            say(f"{line.number} of {len(lines)}: {line.text}")
            if isinstance(line.result, TextError):
                say(f"That line is left out: {line.result}")
                continue
            for warning in line.result.warnings:
                say(f"Mind: {warning}")
            archive.writestr(
                line.file_name, wav_bytes(line.result.waveform, line.result.sample_rate)
            )
        n_spoken = len(archive.namelist())
    say(f"{n_spoken} of {len(lines)} lines are in {path}.")
    return path
