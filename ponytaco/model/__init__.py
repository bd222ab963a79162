"""Tacotron 2: encoder, attention, decoder and postnet."""

from ponytaco.model.decoder import KnownAttention
from ponytaco.model.tacotron2 import Tacotron2, Tacotron2Output

__all__ = ["KnownAttention", "Tacotron2", "Tacotron2Output"]
