"""A dataset folder of DESIGN's contract, made of beeps: each phone has a pitch of its own."""

import json
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 22_050

LEXICON = {
    "bad": "B AE1 D",
    "bee": "B IY1",
    "cab": "K AE1 B",
    "dad": "D AE1 D",
    "fade": "F EY1 D",
    "add": "AE1 D",
    "beef": "B IY1 F",
    "day": "D EY1",
    "cake": "K EY1 K",
}
_PHONES = sorted({phone for phones in LEXICON.values() for phone in phones.split()})
_PITCHES = {phone: 200.0 * 1.35**i for i, phone in enumerate(_PHONES)}


def write_fake_dataset(folder: Path, n_train: int = 11, n_val: int = 3, seed: int = 0) -> Path:
    """Write train.txt, val.txt, wavs, alignments.jsonl, lexicon.txt and report.json.

    Every fifth clip has no alignment. All clips last 0.4 to 0.9 s and have different texts.
    """
    folder = Path(folder)
    (folder / "wavs").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    texts: set[str] = set()
    lines, alignments = [], []
    while len(lines) < n_train + n_val:
        words = [str(word) for word in rng.choice(sorted(LEXICON), size=rng.integers(1, 4))]
        text = " ".join(words).capitalize() + "."
        n_phones = sum(len(LEXICON[word].split()) for word in words)
        if text in texts or not 3 <= n_phones <= 7:
            continue
        texts.add(text)
        ref = f"clip-{len(lines):03d}"
        waveform, tokens, intervals = _speak(words, rng)
        soundfile.write(folder / "wavs" / f"{ref}.wav", waveform, SAMPLE_RATE, subtype="PCM_16")
        arpabet = " ".join("{" + LEXICON[word] + "}" for word in words) + "."
        if len(lines) % 5 != 3:
            alignments.append({"ref": ref, "tokens": tokens, "words": intervals})
        lines.append(f"wavs/{ref}.wav|{text}|{arpabet}")
    _write_lines(folder / "train.txt", lines[:n_train])
    _write_lines(folder / "val.txt", lines[n_train:])
    _write_lines(folder / "alignments.jsonl", [json.dumps(entry) for entry in alignments])
    _write_lines(folder / "lexicon.txt", [f"{w.upper()}  {p}" for w, p in LEXICON.items()])
    _write_lines(folder / "report.json", [json.dumps({"kept": n_train + n_val})])
    return folder


def _speak(words: list[str], rng: np.random.Generator) -> tuple[np.ndarray, list, list]:
    silence = np.zeros(int(0.04 * SAMPLE_RATE))
    parts, tokens, intervals = [silence], [], []
    for word in words:
        word_start = _seconds(parts)
        for phone in LEXICON[word].split():
            start = _seconds(parts)
            n = int(rng.uniform(0.1, 0.115) * SAMPLE_RATE)
            tone = 0.4 * np.sin(2 * np.pi * _PITCHES[phone] * np.arange(n) / SAMPLE_RATE)
            parts.append(tone * np.hanning(n) ** 0.25)
            tokens.append([phone, start, _seconds(parts)])
        intervals.append([word, word_start, _seconds(parts)])
    parts.append(silence)
    return np.concatenate(parts), tokens, intervals


def _seconds(parts: list[np.ndarray]) -> float:
    return round(sum(len(part) for part in parts) / SAMPLE_RATE, 4)


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
