"""Train the letter-to-sound model that the package carries, on the installed dictionary.

Letters and phones are aligned first, each letter with none to two phones. Then convolutions over
the letters learn to tell each letter's phones. One word in fifty is held out to measure them.

    python -m experiments.letter_to_sound ponytaco/text/letter_to_sound.npz
"""

from __future__ import annotations

import argparse
import collections
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ponytaco.text.cmudict import installed_dictionary
from ponytaco.text.letter_to_sound import LETTERS, LetterToSound

_MOST_PER_LETTER = 2  # phones: the x of "box"
_ROUNDS = 4  # of the alignment
_RAREST = 20  # a letter's phones that fewer words have are not learnt, nor are those words
_LONGEST = 24
_HELD_OUT = 50
_WIDTH, _LAYERS, _KERNEL = 128, 6, 5
_EPOCHS, _BATCH, _RATE, _DROPOUT = 8, 256, 2e-3, 0.1
_PADDING = -100  # the class that cross_entropy leaves out

Words = Mapping[str, tuple[str, ...]]
Chunks = list[tuple[str, ...]]


# Alignment


def align(words: Words) -> dict[str, Chunks]:
    """Return each word's phones, letter by letter; words that need more than two are left out."""
    counts = _first_guess(words)
    for _ in range(_ROUNDS):
        aligned = {word: _best_path(word, phones, counts) for word, phones in words.items()}
        counts = collections.Counter(
            pair
            for word, chunks in aligned.items()
            for pair in zip(word, chunks, strict=False)  # a word without a path has none
        )
        letters = collections.Counter(letter for word in aligned for letter in word)
        counts = {(x, chunk): n / letters[x] for (x, chunk), n in counts.items()}
    return aligned


def _first_guess(words: Words) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return how often a letter and one phone stand at about the same place."""
    counts: collections.Counter[tuple[str, tuple[str, ...]]] = collections.Counter()
    letters: collections.Counter[str] = collections.Counter()
    for word, phones in words.items():
        letters.update(word)
        for at, letter in enumerate(word):
            place = at * len(phones) / len(word)
            for j in range(max(0, int(place) - 1), min(len(phones), int(place) + 2)):
                counts[letter, (phones[j],)] += 1
    return {pair: n / letters[pair[0]] for pair, n in counts.items()}


def _best_path(word: str, phones: tuple[str, ...], counts: Mapping) -> Chunks:  # type: ignore[type-arg]
    """Return the likeliest chunk of each letter; empty if there are too many phones."""
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for letter in word:
        column: dict[int, tuple[float, int]] = {}
        for start, (score, _) in best[-1].items():
            for size in range(min(_MOST_PER_LETTER, len(phones) - start) + 1):
                chunk = phones[start : start + size]
                # Unseen pairs are possible; those of two phones less than those of one.
                chance = counts.get((letter, chunk), (1e-3, 1e-5, 1e-7)[size])
                candidate = score + math.log(chance)
                if candidate > column.get(start + size, (-math.inf, 0))[0]:
                    column[start + size] = (candidate, start)
        best.append(column)
    if len(phones) not in best[-1]:
        return []
    stop, chunks = len(phones), []
    for column in reversed(best[1:]):
        start = column[stop][1]
        chunks.append(phones[start:stop])
        stop = start
    return chunks[::-1]


# Training


class Network(nn.Module):
    """The network of ``LetterToSound``, as it is trained."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS) + 1, _WIDTH, padding_idx=0)
        self.layers = nn.ModuleList(
            nn.Conv1d(_WIDTH, _WIDTH, _KERNEL, padding=_KERNEL // 2) for _ in range(_LAYERS)
        )
        self.output = nn.Linear(_WIDTH, n_classes)

    def forward(self, letters: Tensor) -> Tensor:
        """Compute logits (B, T, n_classes) of letters (B, T); 0 is padding."""
        is_letter = (letters > 0)[:, None]
        x = self.embedding(letters).mT
        for layer in self.layers:
            change = functional.dropout(functional.relu(layer(x)), _DROPOUT, self.training)
            x = (x + change) * is_letter
        return self.output(x.mT)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights as ``LetterToSound`` reads them."""
        kernels = [layer.weight.permute(2, 1, 0).reshape(-1, _WIDTH) for layer in self.layers]
        parts = {
            "embedding": self.embedding.weight,
            "kernels": torch.stack(kernels),  # (layers, kernel * width, width)
            "biases": torch.stack([layer.bias for layer in self.layers]),
            "output": self.output.weight.mT,
            "output_bias": self.output.bias,
        }
        return {name: part.detach().half().numpy() for name, part in parts.items()}


def _batches(
    examples: Sequence[tuple[str, list[int]]], generator: random.Random
) -> Iterator[tuple[Tensor, Tensor]]:
    order = sorted(examples, key=lambda example: len(example[0]) + generator.random())
    batches = [order[at : at + _BATCH] for at in range(0, len(order), _BATCH)]
    generator.shuffle(batches)
    for batch in batches:
        longest = max(len(word) for word, _ in batch)
        letters = torch.zeros(len(batch), longest, dtype=torch.long)
        classes = torch.full((len(batch), longest), _PADDING)
        for row, (word, chunks) in enumerate(batch):
            letters[row, : len(word)] = torch.tensor([LETTERS.index(x) + 1 for x in word])
            classes[row, : len(word)] = torch.tensor(chunks)
        yield letters, classes


def train(examples: Sequence[tuple[str, list[int]]], n_classes: int, epochs: int) -> Network:
    """Train on words and the class of each of their letters."""
    torch.manual_seed(0)
    generator = random.Random(0)
    network = Network(n_classes)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.01)
    steps = epochs * math.ceil(len(examples) / _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    for epoch in range(epochs):
        losses = []
        for letters, classes in _batches(examples, generator):
            logits = network(letters).flatten(0, 1)
            loss = functional.cross_entropy(logits, classes.flatten(), ignore_index=_PADDING)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: loss {sum(losses) / len(losses):.4f}", flush=True)
    return network.eval()


# Measuring


def distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the phones to insert, delete or replace."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        above, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (x != y))
    return row[-1]


def report(model: LetterToSound, words: Words) -> str:
    """Say how many words are right, and how many phones are wrong, with and without stress."""
    lines = []
    for name, ignored in (("with stress", ""), ("without", "012")):
        pairs = [
            ([p.rstrip(ignored) for p in phones], [p.rstrip(ignored) for p in model.guess(word)])
            for word, phones in words.items()
        ]
        right = sum(a == b for a, b in pairs) / len(pairs)
        wrong = sum(distance(a, b) for a, b in pairs) / sum(len(a) for a, _ in pairs)
        lines.append(f"{name}: {right:.1%} of the words right, {wrong:.1%} of the phones wrong")
    return "\n".join(lines)


def main() -> None:
    """Align, train, write and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="the file to write")
    parser.add_argument("--epochs", type=int, default=_EPOCHS)
    options = parser.parse_args()
    words = {
        word: phones
        for word, phones in installed_dictionary().entries.items()
        if set(word) <= set(LETTERS) and 1 < len(word) <= _LONGEST
    }
    if not words:
        raise SystemExit('No dictionary is installed: pip install "ponytaco[dictionary]"')
    order = random.Random(1).sample(sorted(words), len(words))
    held_out = {word: words[word] for word in order[::_HELD_OUT]}
    aligned = align({word: words[word] for word in order if word not in held_out})
    seen = collections.Counter(chunk for chunks in aligned.values() for chunk in chunks)
    classes = [chunk for chunk, n in seen.most_common() if n >= _RAREST]
    index = {chunk: number for number, chunk in enumerate(classes)}
    examples = [
        (word, [index[chunk] for chunk in chunks])
        for word, chunks in aligned.items()
        if all(chunk in index for chunk in chunks)
    ]
    print(f"{len(words):,} words, {len(examples):,} of them learnt, {len(classes)} classes")
    network = train(examples, len(classes), options.epochs)
    chunks = np.array([" ".join(chunk) for chunk in classes])
    np.savez_compressed(options.output, chunks=chunks, **network.arrays())
    print(report(LetterToSound.read(options.output), held_out))


if __name__ == "__main__":
    main()
