"""Speak with a voice's exported programs, with torch and without ponytaco.

``ponytaco export VOICE --to torch-export`` puts this file beside the programs, as ``speak.py``:

    python speak.py "{HH AH0 L OW1} there." hello.wav
    python speak.py "{HH AH0 L OW1} there." mel.npy

The first writes sound, by Griffin and Lim's method, which sounds metallic; the second the log-mel,
(n_mels, T_mel), for a vocoder such as HiFi-GAN. Words in the lexicon of ``voice.json`` are read by
their pronunciations, which may also stand in braces; numbers and abbreviations must be written out.
"""

from __future__ import annotations

import json
import math
import re
import sys
import wave
from array import array
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
        self.table = table

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
        places = {sign: place for place, sign in enumerate(self.table["symbols"]) if place}
        ids: list[int] = []
        for phones, word, other in _PIECE.findall(text):
            phones = phones or self.table["lexicon"].get(word.lower(), "")
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
        frame = torch.zeros(1, self.table["n_mels"])
        state = _first_state(self.table["state_widths"], len(ids))
        p, width = self.table["p_prenet_dropout"], self.table["prenet_dim"]
        frames: list[Tensor] = []
        end = may_stop_from([self.table["spoken"][id_] for id_ in ids])
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
        state = tuple(torch.zeros(1, self.table["state_widths"][4] // 2) for _ in range(4))
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


def mel_filters(table: Mapping[str, Any]) -> Tensor:
    """Compute Slaney's mel filters, (n_mels, n_fft // 2 + 1), each of the same area.

    Args:
        table: the content of ``voice.json``.
    """

    def to_mel(hertz: float) -> float:  # linear up to 1,000 Hz, logarithmic above
        return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000, 6.4)

    mels = torch.linspace(
        to_mel(table["f_min"]), to_mel(table["f_max"]), table["n_mels"] + 2, dtype=torch.float64
    )
    edges = torch.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))[:, None]
    bins = torch.linspace(0, table["sample_rate"] / 2, table["n_fft"] // 2 + 1).double()
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters = torch.minimum(rising, falling).clamp(min=0) * 2 / (edges[2:] - edges[:-2])
    return filters.float()


def griffin_lim(mel: Tensor, table: Mapping[str, Any], n_rounds: int = 60) -> Tensor:
    """Turn a log-mel into sound without a vocoder (Griffin and Lim 1984; Perraudin et al. 2013).

    Args:
        mel: (n_mels, T_mel).
        table: the content of ``voice.json``.
        n_rounds: more sound cleaner.

    Returns:
        The waveform, (T_wav,), from -1 to 1.
    """
    filters, bands = mel_filters(table), mel.exp()
    # Magnitudes that give these mels, by multiplicative updates (Lee and Seung 2001).
    magnitude, wanted = filters.T @ bands, filters.T @ bands
    for _ in range(n_rounds):
        magnitude = magnitude * wanted / (filters.T @ (filters @ magnitude)).clamp(min=1e-8)
    n_fft, hop = table["n_fft"], table["hop_length"]
    window = torch.hann_window(table["win_length"])
    settings = (n_fft, hop, table["win_length"], window)
    length = max(1, magnitude.shape[1] - 1) * hop
    phases = torch.polar(torch.ones_like(magnitude), 2 * math.pi * torch.rand_like(magnitude))
    before = torch.zeros_like(phases)
    waveform = torch.zeros(length)
    for _ in range(n_rounds):
        waveform = torch.istft(magnitude * phases, *settings, length=length)
        now = torch.stft(waveform, *settings, pad_mode="constant", return_complex=True)
        now = now[:, : magnitude.shape[1]]
        phases = now - 0.5 * before
        phases = phases / phases.abs().clamp(min=1e-8)
        before = now
    return waveform.clamp(-1, 1)


def write_wav(path: str, waveform: Tensor, sample_rate: int) -> None:
    """Write a waveform (T_wav,), from -1 to 1, as 16-bit WAV."""
    samples = array("h", (waveform * 32767).round().short().tolist())
    if sys.byteorder == "big":
        samples.byteswap()
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())


def write_npy(path: str, mel: Tensor) -> None:
    """Write a mel (n_mels, T_mel) in numpy's format, version 1.0."""
    order = "<" if sys.byteorder == "little" else ">"
    header = f"{{'descr': '{order}f4', 'fortran_order': False, 'shape': {tuple(mel.shape)}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        file.write(array("f", mel.flatten().tolist()).tobytes())


def main(words: Sequence[str]) -> int:
    """Speak a text into a file.

    Args:
        words: the text, and where to write: a .wav, or a .npy for the mel.

    Returns:
        0, or 2 if the words are not these.
    """
    if len(words) != 2 or not words[1].lower().endswith((".wav", ".npy")):
        print('usage: python speak.py "Some text." hello.wav   (or mel.npy)', file=sys.stderr)
        return 2
    text, out = words
    programs = Programs.load(Path(__file__).parent)
    ids = programs.read(text)
    if not ids:
        print("There is nothing in this text that the voice can speak.", file=sys.stderr)
        return 1
    mel = programs.speak(ids)[0]
    if out.lower().endswith(".npy"):
        write_npy(out, mel)
    else:
        write_wav(out, griffin_lim(mel, programs.table), programs.table["sample_rate"])
    print(f"{out}: {mel.shape[1]} frames of {mel.shape[0]} mels.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
