"""What the notebooks call; the only room that knows IPython, ipywidgets and Colab.

Every name works without widgets too, as plain text, so that a notebook's cells also run in a
terminal.
"""

from ponytaco.notebook.batch_form import ask_for_lines, speak_lines
from ponytaco.notebook.characters import Character, fetch_archive, pick_character
from ponytaco.notebook.dataset_preview import listen_to_clips, remember, show_packed, show_report
from ponytaco.notebook.environment import NotebookError, greet
from ponytaco.notebook.recordings import own_recordings, save_archive
from ponytaco.notebook.speech_form import Manner, manner, text_of
from ponytaco.notebook.storage import Storage, connect_storage
from ponytaco.notebook.train_cell import train_voice
from ponytaco.notebook.training_form import Settings
from ponytaco.notebook.voices import TrainedVoice, hear_progress, pick_voice, speak

__all__ = [
    "Character",
    "Manner",
    "NotebookError",
    "Settings",
    "Storage",
    "TrainedVoice",
    "ask_for_lines",
    "connect_storage",
    "fetch_archive",
    "greet",
    "hear_progress",
    "listen_to_clips",
    "manner",
    "own_recordings",
    "pick_character",
    "pick_voice",
    "remember",
    "save_archive",
    "show_packed",
    "show_report",
    "speak",
    "speak_lines",
    "text_of",
    "train_voice",
]
