"""A finished run -> what its voice can do: spoken, compared, listened to."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ponytaco.checkpoint.format import Checkpoint, load_checkpoint
from ponytaco.data.dataset import ClipDataset, Datasets, open_datasets
from ponytaco.data.dataset_folder import Clip, FilelistError, as_paths, read_datasets
from ponytaco.device import choose_device
from ponytaco.errors import PonytacoError
from ponytaco.evaluation.asr import RecogniserError, SpeechRecogniser, spoken_words
from ponytaco.evaluation.html_report import report_page
from ponytaco.evaluation.results import (
    STOP_ERRORS,
    Group,
    Results,
)
from ponytaco.evaluation.sentences import SENTENCES, read_sentences
from ponytaco.evaluation.speak import Bench, listen_to_real, speak_all
from ponytaco.evaluation.wer import word_error_rate
from ponytaco.runs.folder import Run, RunError, write_text
from ponytaco.runs.history import read_history
from ponytaco.synthesis.voice import Voice
from ponytaco.text.encode import text_to_ids
from ponytaco.text.lexicon import Lexicon
from ponytaco.training.validation import validate
from ponytaco.vocoders.factory import open_vocoder

# Real clips that the recogniser listens to for the ceiling, those of training among them: what
# a vocoder and a recogniser lose has nothing to do with what the voice has learnt.
_N_CEILING = 30
# With --quick.
_QUICK_CLIPS, _QUICK_SENTENCES, _QUICK_CEILING = 8, 10, 10


class EvaluationError(PonytacoError):
    """An evaluation cannot be done as asked."""


@dataclass(frozen=True)
class Evaluation:
    """What was found, and where it is written."""

    results: Results
    page: Path
    """For people."""
    report: Path
    """For programs."""


def evaluate(
    run: Run,
    dataset_folder: Path | Sequence[Path] | None = None,
    *,
    sentences: Path | None = None,
    vocoder: str = "griffin_lim",
    device: str = "auto",
    quick: bool = False,
    log: Callable[[str], None] = lambda sentence: None,
) -> Evaluation:
    """Score a run's voice; write ``evaluation/report.html`` and ``report.json`` into its folder.

    Args:
        run: what to score; its best checkpoint, or else its newest.
        dataset_folder: the clips, in one or several folders; where the run was trained if left
            out.
        sentences: a text file of new sentences, one a line; ponytaco's own if left out.
        vocoder: a name in ``VOCODERS``, or a vocoder's file.
        device: 'auto', 'cpu', 'cuda' ….
        quick: fewer clips and sentences, and no melody; writes ``quick.html`` and ``quick.json``
            instead.
        log: takes sentences about how far it is, and what is left out.

    Raises:
        RunError, CheckpointError: there is no usable checkpoint, or nothing can be written.
        FilelistError: the data set is not usable, or is no longer where it was.
        SentencesError: the file of sentences is not usable.
        VocoderError, DownloadError: there is no such vocoder, or it cannot be had.
        EvaluationError: none of the texts can be spoken.
    """
    texts = read_sentences(sentences) if sentences else list(SENTENCES)
    checkpoint = load_checkpoint(run.voice())
    data = _datasets(checkpoint, dataset_folder, log)
    chosen = choose_device(device)
    through = open_vocoder(vocoder, checkpoint.config.audio, chosen)
    log("Validating …")
    model = checkpoint.build_model().to(chosen)
    validation = validate(model, data.val, checkpoint.config, checkpoint.run_state.step, chosen)

    clips = _mels_of(data.val)
    if quick:
        clips, texts = clips[:_QUICK_CLIPS], texts[:_QUICK_SENTENCES]
    n_more = max(0, (_QUICK_CEILING if quick else _N_CEILING) - len(clips))
    more_clips = _mels_of(data.train)[:n_more]
    notes: list[str] = []
    lexicon = Lexicon({w: tuple(phones.split()) for w, phones in checkpoint.lexicon.items()})
    cleaner = checkpoint.config.train.cleaner
    listener = new_listener = None
    try:
        # By all clips' words: how well these are understood must not hang on the new sentences.
        clip_texts = (clip.text for clip in (*data.val.clips, *data.train.clips))
        listener = SpeechRecogniser(_words(clip_texts, cleaner), lexicon)
        new_listener = listener.also_for(_words(texts, cleaner))
        log(f"{listener.name.capitalize()} listens.")
        if new_listener is not listener:
            notes.append(
                "The new sentences have words that no clip has. They are heard by "
                f"{new_listener.name}, and so are the real clips beside which they stand."
            )
            log(notes[-1])
    except RecogniserError as error:
        notes.append(f"Nothing listened, so there are no word error rates. {error}")
        log(notes[-1])
    bench = Bench(
        voice=Voice(run.voice(), vocoder=through, device=chosen),
        checkpoint=checkpoint,
        vocoder=lambda mel: through(mel.to(chosen)),
        listener=listener,
        frames_per_symbol=_frames_per_symbol(checkpoint, data),
    )
    log(f"Speaking {len(clips)} validation clips …")
    clip_group = speak_all(
        [(clip.ref, clip.text, mel, clip) for clip, mel in clips],
        bench,
        not quick,
        notes,
        log,
    )
    log(f"Speaking {len(texts)} new sentences …")
    new_bench = dataclasses.replace(bench, listener=new_listener)
    new_group = speak_all(
        [(str(i), text, None, None) for i, text in enumerate(texts, 1)],
        new_bench,
        False,
        notes,
        log,
    )
    if not clip_group.results and not new_group.results:
        raise EvaluationError("None of the texts can be spoken. Give other sentences.")
    results = Results(
        name=run.folder.resolve().name,
        step=checkpoint.run_state.step,
        first_aligned=checkpoint.run_state.first_aligned,
        vocoder=vocoder,
        recogniser=listener.name if listener else None,
        new_recogniser=new_listener.name if new_listener else None,
        validation=validation,
        clips=clip_group,
        new=new_group,
        ceiling=_ceiling([*clips, *more_clips], clip_group, bench, new_bench, log),
        n_ceiling_clips=len(clips) + len(more_clips),
        notes=notes,
    )
    return _write(results, run, run.quick_report if quick else run.evaluation_report)


def summary(results: Results) -> list[str]:
    """What was found, in a few sentences for a terminal."""
    validation = results.validation
    said = [
        f"Step {results.step:,}: voice {validation.score:.2f} of 1, loss {validation.loss:.3f}; "
        f"speaking freely {validation.free}."
    ]
    for name, group in (("validation clips", results.clips), ("new sentences", results.new)):
        if not group.results:
            continue
        parts = [f"{group.aligned:.0%} read through"]
        if group.word_error_rate is not None:
            parts.append(f"{group.word_error_rate:.1%} of the words misheard")
        if group.distortion is not None:
            parts.append(f"{group.distortion:.1f} dB from the real clips")
        if group.pitch_correlation is not None:
            parts.append(f"melody {group.pitch_correlation:.2f} of 1")
        parts += [f"{n} {kind}" for kind in STOP_ERRORS if (n := group.n_stop_errors(kind))]
        said.append(f"{len(group.results)} {name}: {', '.join(parts)}.")
    if results.ceiling is not None:
        said.append(
            f"Of {results.n_ceiling_clips} real clips through the same vocoder "
            f"{results.ceiling:.1%} of the words are misheard: no voice can do better."
        )
    return said


def _datasets(
    checkpoint: Checkpoint, named: Path | Sequence[Path] | None, log: Callable[[str], None]
) -> Datasets:
    folders = checkpoint.dataset_folders
    if named is not None:
        folders = as_paths(named)
    elif not folders or not all(folder.is_dir() for folder in folders):
        gone = next((folder for folder in folders if not folder.is_dir()), "an unknown data set")
        raise FilelistError(
            f"The run was trained on {gone}, which is not there now. "
            "Name the data set: ponytaco evaluate RUN --data FOLDER"
        )
    return open_datasets(
        read_datasets(folders),
        checkpoint.config.audio,
        checkpoint.symbols,
        checkpoint.config.train.cleaner,
        log,
    )


def _mels_of(dataset: ClipDataset) -> list[tuple[Clip, Tensor]]:
    """Clips with their mels (n_mels, T_mel), not loaded yet."""
    return [(clip, dataset.mels[i].T) for i, clip in enumerate(dataset.clips)]


def _frames_per_symbol(checkpoint: Checkpoint, data: Datasets) -> float:
    reads_phones = checkpoint.config.train.p_arpabet > 0
    rates = [
        mel.shape[1] / len(text_to_ids(spelling, checkpoint.config.train.cleaner, dataset.symbols))
        for dataset in (data.val, data.train)
        for clip, mel in _mels_of(dataset)
        for spelling in [(reads_phones and clip.arpabet) or clip.text]
    ]
    return float(np.median(rates))


def _ceiling(
    clips: Sequence[tuple[Clip, Tensor]],
    spoken: Group,
    bench: Bench,
    new_bench: Bench,
    log: Callable[[str], None],
) -> float | None:
    """The word error rate of real clips through the vocoder, heard like the new sentences."""
    if new_bench.listener is None:
        return None
    log(f"Listening to {len(clips)} real clips …")
    heard: dict[str, list[str]] = {}
    if new_bench.listener is bench.listener:
        heard = {r.name: r.real_heard for r in spoken.results if r.real_heard is not None}
    cleaner = bench.checkpoint.config.train.cleaner
    pairs = [
        (said, heard[clip.ref] if clip.ref in heard else listen_to_real(mel, new_bench))
        for clip, mel in clips
        if (said := spoken_words(clip.text, cleaner))
    ]
    return word_error_rate(pairs) if pairs else None


def _words(texts: Iterable[str], cleaner: str) -> set[str]:
    return {word for text in texts for word in spoken_words(text, cleaner)}


def _write(results: Results, run: Run, report: Path) -> Evaluation:
    try:
        report.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(
            f"Cannot make {report.parent}: {error.strerror}. Is the disk full?"
        ) from None
    evaluation = Evaluation(results, report.with_suffix(".html"), report)
    write_text(evaluation.report, json.dumps(results.as_json(), indent=2) + "\n")
    write_text(evaluation.page, report_page(results, read_history(run.history)))
    return evaluation
