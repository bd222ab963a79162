"""A character's voice from a few minutes of clips.

The public API: each name is imported from its module when it is first used, for torch takes seconds
to load.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ponytaco.checkpoint.format import load_checkpoint
    from ponytaco.config import Config
    from ponytaco.errors import PonytacoError
    from ponytaco.presets import preset
    from ponytaco.synthesis.voice import Voice
    from ponytaco.training.loop import train

__all__ = [
    "Config",
    "PonytacoError",
    "Voice",
    "__version__",
    "load_checkpoint",
    "preset",
    "train",
]

try:
    __version__ = version("ponytaco")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "unknown"

_MODULES = {
    "Config": "ponytaco.config",
    "PonytacoError": "ponytaco.errors",
    "Voice": "ponytaco.synthesis.voice",
    "load_checkpoint": "ponytaco.checkpoint.format",
    "preset": "ponytaco.presets",
    "train": "ponytaco.training.loop",
}

# Hidden from type checkers, which would take every misspelt name for one of these.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module 'ponytaco' has no attribute '{name}'", name=name)
        return getattr(import_module(_MODULES[name]), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
