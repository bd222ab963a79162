"""Speak with a voice's exported programs, with torch and without ponytaco.

``ponytaco export VOICE --to torch-export`` puts this file beside the programs, as ``speak.py``:

    python speak.py "{HH AH0 L OW1} there." mel.npy

writes the log-mel of a text, (n_mels, T_mel), for a vocoder such as HiFi-GAN. Words in the lexicon
of ``voice.json`` are read by their pronunciations, which may also stand in braces; numbers and
abbreviations must be written out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

NAMES = ("encoder", "encoder_step", "memory", "decoder_step", "postnet")
"""Names of the programs; the files end in .pt2."""

TABLE = "voice.json"
"""Symbols, sizes and settings of the programs."""

_PIECE = re.compile(r"\{([^{}]*)\}|([A-Za-z']+)|(.)", re.DOTALL)
_LAST_SOUNDS = 3


class Programs:
    """The programs of a voice, and the loops around them.

    Args:
        programs: by name, as the files are called.
        table: the content of ``voice.json``.
    """

    def __init__(
        self, programs: Mapping[str, Callable[..., Any]], table: Mapping[str, Any]
    ) -> None:
        self._programs = programs
        self._table = table

    @classmethod
    def load(cls, folder: Path) -> Programs:
        """Load a folder of programs. They are code: load only those of people you trust.

        Args:
            folder: with the programs and ``voice.json``.
        """
        programs = {name: torch.export.load(folder / f"{name}.pt2").module() for name in NAMES}
        return cls(programs, json.loads((folder / TABLE).read_text(encoding="utf-8")))

    def read(self, text: str) -> list[int]:
        """Encode a text as symbol ids; signs that the voice lacks are left out.

        Args:
            text: words, with pronunciations in braces. It should end with a mark.
        """
        places = {sign: place for place, sign in enumerate(self._table["symbols"]) if place}
        ids: list[int] = []
        for phones, word, other in _PIECE.findall(text):
            phones = phones or self._table["lexicon"].get(word.lower(), "")
            signs = [f"@{phone}" for phone in phones.split()] or list(word.lower() or other)
            ids += [places[sign] for sign in signs if sign in places]
        return ids

    @torch.no_grad()
    def speak(
        self, ids: Sequence[int], max_frames: int = 1000, gate_threshold: float = 0.5
    ) -> Tensor:
        """Synthesise a mel.

        Args:
            ids: indices into the table's ``symbols``.
            max_frames: where a clip that never stops is cut.
            gate_threshold: gate probability at which a clip is over.

        Returns:
            The log-mel, (1, n_mels, T_mel).
        """
        memory, processed = self._encode(ids)
        frame = torch.zeros(1, self._table["n_mels"])
        state = _first_state(self._table["state_widths"], len(ids))
        p, width = self._table["p_prenet_dropout"], self._table["prenet_dim"]
        frames: list[Tensor] = []
        end = may_stop_from([self._table["spoken"][id_] for id_ in ids])
        is_near_end = False
        while len(frames) < max_frames:
            keep = torch.nn.functional.dropout(torch.ones(2, 1, width), p)
            group, gate, state = self._programs["decoder_step"](
                frame, keep, memory, processed, state
            )
            frame = group[:, -1]
            # The gate opens in pauses too, so it counts only near the text's end.
            is_near_end |= int(state[5].argmax()) >= end  # the attention weights
            opened = (torch.sigmoid(gate[0]) > gate_threshold).nonzero()[: int(is_near_end)]
            frames += group[0, : int(opened[0]) + 1 if len(opened) else None]
            if len(opened):
                break
        mel: Tensor = self._programs["postnet"](torch.stack(frames[:max_frames], dim=1)[None])
        return mel

    def _encode(self, ids: Sequence[int]) -> tuple[Tensor, Tensor]:
        features = self._programs["encoder"](torch.tensor([list(ids)])).unbind(1)
        state = tuple(torch.zeros(1, self._table["state_widths"][4] // 2) for _ in range(4))
        forwards: list[Tensor] = []
        backwards: list[Tensor] = []
        for first, last in zip(features, reversed(features), strict=True):
            state = self._programs["encoder_step"](first, last, state)
            forwards.append(state[0])
            backwards.insert(0, state[2])
        memory, processed = self._programs["memory"](
            torch.stack(forwards, dim=1), torch.stack(backwards, dim=1)
        )
        return memory, processed


def may_stop_from(spoken: Sequence[bool]) -> int:
    """Return the symbol from which on an open gate ends a clip, as ``metrics`` does.

    Args:
        spoken: (T_text,), False for spaces, marks and signs.
    """
    sounds = [i for i, is_sound in enumerate(spoken) if is_sound]
    return sounds[-_LAST_SOUNDS:][0] if sounds else 0


def _first_state(widths: Sequence[int], n_symbols: int) -> tuple[Tensor, ...]:
    return tuple(torch.zeros(1, width) for width in (*widths, n_symbols, n_symbols))


def main(words: Sequence[str]) -> int:
    """Speak a text into a file.

    Args:
        words: the text, and where to write.
    """
    import numpy

    text, out = words
    programs = Programs.load(Path(__file__).parent)
    mel = programs.speak(programs.read(text))[0]
    numpy.save(out, mel.numpy())
    print(f"{out}: {mel.shape[1]} frames of {mel.shape[0]} mels.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
