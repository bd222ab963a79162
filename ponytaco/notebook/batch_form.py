"""Speaking many lines at once: a text box, and a zip of WAV files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ponytaco.audio.wav import wav_bytes
from ponytaco.notebook.environment import has_widgets, show
from ponytaco.notebook.errors import bug_report, explain_errors, fixable_error
from ponytaco.notebook.speech_form import SpeechSettings
from ponytaco.notebook.voices import TrainedVoice, save_through_browser
from ponytaco.notebook.widgets.html import download_link, paragraph
from ponytaco.printable import say
from ponytaco.synthesis.batch import lines_of
from ponytaco.synthesis.batch import speak_lines as speak_all_lines
from ponytaco.text.errors import TextError


@explain_errors
def ask_for_lines(voice: TrainedVoice, settings: SpeechSettings | None = None) -> None:
    """Show a text box, and a button that speaks its lines; the cell does not wait for it.

    Args:
        voice: from ``pick_voice``.
        settings: from ``speech_settings``.
    """
    if not has_widgets():
        say('No text box can be shown here. Call speak_lines(voice, "First line.\\nSecond.")')
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
        html: list[str] = []

        def log(message: str) -> None:
            html.append(paragraph(message))
            progress.value = "".join(html)

        try:
            path = _write_zip(voice, text.value, settings, log)
            html.append(download_link(path.read_bytes(), path.name, "application/zip"))
            progress.value = "".join(html)
        except Exception as error:
            # Unlike a cell's output, a click's is not always shown: explain the error here.
            fixable = fixable_error(error)
            for line in str(fixable or bug_report(error)).split("\n"):
                log(line)
            if fixable is None:
                raise
        finally:
            button.disabled = False

    button.on_click(on_click)
    label = widgets.HTML(paragraph("Each line becomes a WAV file:"))
    show(widgets.VBox([label, text, button, progress]))


@explain_errors
def speak_lines(voice: TrainedVoice, text: str, settings: SpeechSettings | None = None) -> Path:
    """Speak each line of a text into its own WAV file, all in one zip.

    Args:
        voice: from ``pick_voice``.
        text: the lines; empty ones are ignored.
        settings: from ``speech_settings``.

    Returns:
        ``speech/lines.zip`` in the run folder.

    Raises:
        PonytacoError: there are no lines, or there is no usable checkpoint.
    """
    path = _write_zip(voice, text, settings, say)
    save_through_browser(path)
    return path


def _write_zip(
    voice: TrainedVoice, text: str, settings: SpeechSettings | None, log: Callable[[str], None]
) -> Path:
    lines = lines_of(text)
    settings = settings or SpeechSettings()
    opened = voice.open(settings)
    folder = voice.run.folder / "speech"
    folder.mkdir(exist_ok=True)
    path = folder / "lines.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for line in speak_all_lines(opened, lines, settings.options):
            log(f"{line.number} of {len(lines)}: {line.text}")
            if isinstance(line.result, TextError):
                log(f"This line is left out: {line.result}")
                continue
            for warning in line.result.warnings:
                log(f"Note: {warning}")
            archive.writestr(
                line.file_name, wav_bytes(line.result.waveform, line.result.sample_rate)
            )
        n_spoken = len(archive.namelist())
    log(f"{n_spoken} of {len(lines)} lines are in {path}.")
    return path
