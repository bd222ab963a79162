"""The result of ``make demo``: the trained demo voice speaks new sentences and is evaluated.

``python -m examples.demo FOLDER``, after the demo has been prepared and trained in FOLDER.
The recogniser knows the demo's vocabulary; its errors on the original clips through the same
vocoder are the ceiling that no voice trained on them can pass.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from data_prep.demo.grammar import sentences
from ponytaco.audio.wav import save_wav
from ponytaco.data.dataset_folder import read_dataset
from ponytaco.evaluation.evaluate import evaluate
from ponytaco.plotting import plot_alignment
from ponytaco.runs.folder import Run
from ponytaco.synthesis.voice import Voice

# Far from the seeds of the demo's clips.
_SEED = 20_260_000
# Share of misheard words above which the voice is told to need more steps.
_CLEAR = 0.3


def main() -> None:
    """Speak, evaluate, and sum up the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with Demo/ (the clips) and run/ (the voice)")
    parser.add_argument("--sentences", type=int, default=20)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    run = Run(folder / "run")
    dataset = read_dataset(folder / "Demo")
    known = [clip.text for clip in (*dataset.train, *dataset.val)]
    texts = sentences(arguments.sentences, _SEED, exclude=known)
    sentences_file = folder / "sentences.txt"
    sentences_file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    # Of hundreds of seconds of sound HiFi-GAN would make a demo of twenty minutes.
    evaluation = evaluate(
        run,
        folder / "Demo",
        sentences=sentences_file,
        vocoder="griffin_lim",
        device="cpu",
        log=print,
    )
    results = evaluation.results
    for result in results.new.results:
        print(f"spoken {' '.join(result.said)}\nheard  {' '.join(result.heard or [])}")

    voice = Voice(run.folder)
    spoken = [voice.speak(text) for text in texts[:3]]
    waveform = torch.cat([speech.waveform for speech in spoken])
    save_wav(folder / "spoken.wav", waveform, voice.audio.sample_rate)
    first = spoken[0].sentences[0]
    plot_alignment(first.alignment, f"{texts[0]}\n{first.score}").savefig(folder / "alignment.png")
    n_aligned = sum(result.alignment.aligned for result in results.new.results)
    heard = ""
    if results.new.word_error_rate is not None and results.ceiling is not None:
        heard = (
            f" A recogniser misheard {results.new.word_error_rate:.0%} of its words, and "
            f"{results.ceiling:.0%} of the original clips' through the same vocoder."
        )
    if n_aligned < len(texts) or (results.new.word_error_rate or 0) > _CLEAR:
        heard += " It needs more steps: run make demo again, and it resumes where it stopped."
    print(
        f"\nThe demo voice trained {voice.step:,} steps and {results.alignment_history}; it read "
        f"{n_aligned} of {len(texts)} new sentences through.{heard}\n"
        f"Listen to {folder / 'spoken.wav'}, look at {folder / 'alignment.png'}, and open "
        f"{evaluation.page} in a browser."
    )


if __name__ == "__main__":
    main()
