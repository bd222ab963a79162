"""A character's voice from a few minutes of clips."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ponytaco")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "unknown"
