"""Functions that the notebooks' cells call; no other folder knows IPython, ipywidgets or Colab.

All of them also work without widgets, as plain text, so that the cells run in a terminal too.
"""

from ponytaco.notebook.batch_form import ask_for_lines, speak_lines
from ponytaco.notebook.characters import Character, fetch_archive, pick_character
from ponytaco.notebook.environment import finish_installation
from ponytaco.notebook.errors import NotebookError
from ponytaco.notebook.prepare_cell import listen_to_clips, prepare_clips
from ponytaco.notebook.recordings import locate_recordings, pack_recordings, save_archive
from ponytaco.notebook.speech_form import SpeechSettings, speech_settings, text_to_speak
from ponytaco.notebook.storage import Storage, connect_storage
from ponytaco.notebook.train_cell import train_voice
from ponytaco.notebook.training_form import TrainingSettings, training_settings
from ponytaco.notebook.voices import TrainedVoice, hear_progress, pick_voice, speak

__all__ = [
    "Character",
    "NotebookError",
    "SpeechSettings",
    "Storage",
    "TrainedVoice",
    "TrainingSettings",
    "ask_for_lines",
    "connect_storage",
    "fetch_archive",
    "finish_installation",
    "hear_progress",
    "listen_to_clips",
    "locate_recordings",
    "pack_recordings",
    "pick_character",
    "pick_voice",
    "prepare_clips",
    "save_archive",
    "speak",
    "speak_lines",
    "speech_settings",
    "text_to_speak",
    "train_voice",
    "training_settings",
]
