"""A vocoder's weights on the storage, so that the next session has them."""

from __future__ import annotations

from ponytaco.io.download import FetchError
from ponytaco.io.pretrained import PUBLISHED, fetch
from ponytaco.notebook.environment import friendly
from ponytaco.notebook.storage import Storage


@friendly
def get_vocoder(name: str, storage: Storage) -> str:
    """What a voice is to be told to speak through.

    Args:
        name: 'griffin_lim', 'hifigan', 'waveglow', or the path of a file.
        storage: of ``connect_storage``; downloads are kept there.

    Returns:
        A path or a name for ``open_vocoder``; 'griffin_lim' where nothing could be downloaded,
        which is printed with how to get it by hand.
    """
    if name not in PUBLISHED:
        return name
    try:
        return str(fetch(name, storage.runs / "vocoders"))
    except FetchError as error:
        print(f"{error}\nUntil then Griffin-Lim speaks, which sounds metallic.")
        return "griffin_lim"
