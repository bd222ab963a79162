"""Vocoder weights, kept in the storage for the next session."""

from __future__ import annotations

from ponytaco.io.download import DownloadError
from ponytaco.io.pretrained import PUBLISHED, fetch
from ponytaco.notebook.storage import Storage
from ponytaco.printable import say
from ponytaco.vocoders.choice import installed_hifigan


def get_vocoder(storage: Storage, name: str) -> str:
    """Return a vocoder for ``open_vocoder``, downloading published weights once.

    Args:
        storage: from ``connect_storage``; downloads are kept there.
        name: 'auto', 'griffin_lim', 'hifigan', 'waveglow', or the path of a file.

    Returns:
        A path or a name; 'griffin_lim' if the download failed, after printing how to get the
        weights by hand.
    """
    if name not in PUBLISHED or (name == "hifigan" and installed_hifigan() is not None):
        return name
    try:
        return str(fetch(name, storage.runs / "vocoders"))
    except DownloadError as error:
        say(*error.lines, "Until then Griffin-Lim speaks, which sounds metallic.")
        return "griffin_lim"
