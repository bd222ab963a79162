"""Stands in for Colab's package, so that the notebooks run as they do there."""

from google.colab import drive, files

__all__ = ["drive", "files"]
