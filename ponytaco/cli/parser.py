"""argparse's parser, which names what a misspelt word may have meant."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ponytaco.formatting import did_you_mean
from ponytaco.hparams import pointer
from ponytaco.printable import ArgumentParser


class Parser(ArgumentParser):
    """The parser of a command, and of the commands."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += did_you_mean(str(value), map(str, action.choices or ()))
            raise

    def unrecognized(self, words: Sequence[str]) -> str:
        """Return the message about words that no option takes, with what may be meant."""
        hints = [self._hint(word.partition("=")[0]) for word in words if word.startswith("-")]
        return f"unrecognized arguments: {' '.join(words)}{''.join(dict.fromkeys(hints))}"

    def _hint(self, option: str) -> str:
        if there := pointer(option.lstrip("-").replace("-", "_")):
            return f" ({there})"
        known = [name for name in self._option_string_actions if name.startswith("--")]
        return did_you_mean(option.replace("_", "-"), known)
