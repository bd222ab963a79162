"""What ``make demo`` has reached: the trained demo voice says new sentences, and is listened to.

``python -m benchmarks.demo FOLDER``, after the demo has been prepared and trained in FOLDER.
The recogniser knows the demo's vocabulary; its errors on the original clips, brought through the
same vocoder, are the ceiling that no voice trained on them can pass.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from data_prep.demo_voice import VOCABULARY, sentences, spoken_words
from ponytaco.audio import save_wav
from ponytaco.checkpoint import load_checkpoint
from ponytaco.dataset import load_mels
from ponytaco.filelists import read_dataset
from ponytaco.intelligibility import WordGrammarRecogniser, word_error_rate
from ponytaco.plots import plot_alignment
from ponytaco.run import Run
from ponytaco.synthesis import Voice
from ponytaco.vocoders import GriffinLim

# Far from the seeds that made the demo's clips.
_SEED = 20_260_000


def main() -> None:
    """Speak, listen, and say in one sentence what was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with Demo/ (the clips) and run/ (the voice)")
    parser.add_argument("--sentences", type=int, default=20)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    run = Run(folder / "run")
    dataset = read_dataset(folder / "Demo")
    known = [clip.text for clip in (*dataset.train, *dataset.val)]
    recogniser = WordGrammarRecogniser(VOCABULARY)
    voice = Voice(run.folder)

    spoken = []
    texts = sentences(arguments.sentences, _SEED, exclude=known)
    for text in texts:
        speech = voice.speak(text)
        heard = recogniser.transcribe(speech.waveform.numpy(), speech.sample_rate)
        spoken.append((speech, spoken_words(text), heard))
        print(f"said  {' '.join(spoken_words(text))}\nheard {' '.join(heard)}")
    voice_errors = word_error_rate((said, heard) for _, said, heard in spoken)
    ceiling = _ceiling(folder / "Demo", voice, recogniser, arguments.sentences)

    scores = [sentence.score for speech, _, _ in spoken for sentence in speech.sentences]
    n_aligned = sum(score.aligned for score in scores)
    first_aligned = load_checkpoint(run.voice()).progress.first_aligned
    waveform = torch.cat([speech.waveform for speech, _, _ in spoken[:3]])
    save_wav(folder / "spoken.wav", waveform, voice.audio.sample_rate)
    first = spoken[0][0].sentences[0]
    plot_alignment(first.alignment, f"{texts[0]}\n{first.score}").savefig(folder / "alignment.png")
    since = f"aligned at step {first_aligned:,}" if first_aligned else "has not aligned yet"
    print(
        f"\nAfter {voice.step:,} steps the demo voice {since}; it read {n_aligned} of {len(texts)} "
        f"new sentences through. A recogniser misheard {voice_errors:.0%} of its words, and "
        f"{ceiling:.0%} of the original clips' through the same vocoder.\n"
        f"Listen to {folder / 'spoken.wav'}, look at {folder / 'alignment.png'}."
    )


def _ceiling(data: Path, voice: Voice, recogniser: WordGrammarRecogniser, n_clips: int) -> float:
    dataset = read_dataset(data)
    clips = [*dataset.train, *dataset.val]
    mels = load_mels(clips, voice.audio, data)
    vocoder = GriffinLim(voice.audio)
    pairs = []
    for i in range(len(clips) - 1, max(-1, len(clips) - 1 - n_clips), -1):
        waveform = vocoder(mels[i].T[None])[0].numpy()
        heard = recogniser.transcribe(waveform, voice.audio.sample_rate)
        pairs.append((spoken_words(clips[i].text), heard))
    return word_error_rate(pairs)


if __name__ == "__main__":
    main()
