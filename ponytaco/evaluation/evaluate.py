"""Evaluation of a trained run: its voice speaks, is compared with real clips, and recognised."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ponytaco.audio.wav import load_wav
from ponytaco.checkpoint.format import Checkpoint
from ponytaco.checkpoint.importing import open_voice_file
from ponytaco.config import Config
from ponytaco.data.dataset import ClipDataset, Datasets, open_datasets
from ponytaco.data.dataset_folder import FilelistError, as_paths, read_datasets
from ponytaco.device import choose_device
from ponytaco.errors import PonytacoError, disk_problem
from ponytaco.evaluation.asr import RecogniserError, SpeechRecogniser
from ponytaco.evaluation.html_report import report_page
from ponytaco.evaluation.results import STOP_ERRORS, Group, Results
from ponytaco.evaluation.sentences import SENTENCES, read_sentences
from ponytaco.evaluation.speak import (
    EvaluationSetup,
    EvaluationText,
    RealClip,
    real_waveform,
    recognise_real,
    speak_all,
)
from ponytaco.judges.judge import HOW_TO_INSTALL, Judges, Verdict, mean_verdict, open_judges
from ponytaco.metrics.wer import word_error_rate
from ponytaco.runs.folder import Run, RunError, voice_files, write_text
from ponytaco.runs.history import read_history
from ponytaco.synthesis.voice import Voice
from ponytaco.text.encode import text_to_ids
from ponytaco.text.lexicon import Lexicon
from ponytaco.text.spoken import spoken_words
from ponytaco.training.validation import validate
from ponytaco.vocoders.choice import AUTO, choose_vocoder
from ponytaco.vocoders.factory import open_vocoder

# Real clips that the recogniser hears for the ceiling, those of training among them: the losses of
# vocoder and recogniser do not depend on what the voice has learnt.
_N_CEILING = 30
# With --quick.
_QUICK_CLIPS, _QUICK_SENTENCES, _QUICK_CEILING = 8, 10, 10


class EvaluationError(PonytacoError):
    """An evaluation cannot be done as asked."""


@dataclass(frozen=True)
class Evaluation:
    """The results, and where they are written."""

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
    vocoder: str | Path = AUTO,
    device: str = "auto",
    quick: bool = False,
    whisper: Path | None = None,
    log: Callable[[str], None] = lambda sentence: None,
) -> Evaluation:
    """Score a run's voice; write ``evaluation/report.html`` and ``report.json`` into its folder.

    Args:
        run: what to score; its best checkpoint, or else its newest. A voice in one file counts as
            a run's folder.
        dataset_folder: the clips, in one or several folders; where the run was trained if left
            out.
        sentences: a text file of new sentences, one a line; ponytaco's own if left out.
        vocoder: 'auto', the best that is here; a name in ``VOCODERS``; or a vocoder's file.
        device: 'auto', 'cpu', 'cuda' ….
        quick: fewer clips and sentences, and no melody; writes ``quick.html`` and ``quick.json``
            instead.
        whisper: folder of another Whisper model, in CTranslate2's format, for the words
            understood.
        log: takes sentences about the progress, and about what is left out.

    Raises:
        RunError, CheckpointError: there is no usable checkpoint, or nothing can be written.
        FilelistError: the dataset is not usable, or is no longer where it was.
        SentencesError: the file of sentences is not usable.
        VocoderError, DownloadError: the vocoder does not exist or cannot be downloaded.
        EvaluationError: none of the texts can be spoken.
        JudgeError: there is no Whisper model in its folder.
    """
    judges = open_judges(whisper)
    texts = read_sentences(sentences) if sentences else list(SENTENCES)
    (path, *_) = voice_files(run.folder)
    checkpoint, assumed = open_voice_file(path)
    for sentence in assumed:
        log(sentence)
    config, chosen_device = checkpoint.config, choose_device(device)
    data = _open_datasets(checkpoint, dataset_folder, log)
    vocoder_name = str(vocoder)
    if vocoder_name == AUTO:
        vocoder, vocoder_name, message = choose_vocoder(config.audio, path)
        log(message)
    opened = open_vocoder(vocoder, config.audio, chosen_device)
    voice = Voice(path, opened, chosen_device, checkpoint=checkpoint)
    log("Validating …")
    validation = validate(voice.model, data.val, config, voice.step, chosen_device)

    clips, n_ceiling = _real_clips(data.val), _N_CEILING
    if quick:
        clips, texts, n_ceiling = clips[:_QUICK_CLIPS], texts[:_QUICK_SENTENCES], _QUICK_CEILING
    ceiling_clips = [*clips, *_real_clips(data.train)[: max(0, n_ceiling - len(clips))]]
    notes: list[str] = []
    recogniser, new_recogniser = _recognisers(checkpoint, data, texts, notes, log)
    _remember_voice(judges, data.train, n_ceiling, config.audio.sample_rate, notes, log)
    setup = EvaluationSetup(
        voice=voice,
        config=config,
        vocoder=lambda mel: opened(mel.to(chosen_device)),
        recogniser=recogniser,
        frames_per_symbol=_frames_per_symbol(config, data),
        judges=judges,
    )
    new_setup = dataclasses.replace(setup, recogniser=new_recogniser)
    log(f"Speaking {len(clips)} validation clips …")
    clip_texts = [EvaluationText(real.clip.ref, real.clip.text, real) for real in clips]
    clip_group = speak_all(clip_texts, setup, not quick, notes, log)
    log(f"Speaking {len(texts)} new sentences …")
    new_texts = [EvaluationText(str(number), text) for number, text in enumerate(texts, start=1)]
    new_group = speak_all(new_texts, new_setup, False, notes, log)
    if not clip_group.results and not new_group.results:
        raise EvaluationError("None of the texts can be spoken. Give other sentences.")
    results = Results(
        name=run.folder.stem if run.folder.is_file() else run.folder.resolve().name,
        step=voice.step,
        first_aligned=checkpoint.run_state.first_aligned,
        vocoder=vocoder_name,
        recogniser=recogniser.name if recogniser else None,
        new_recogniser=new_recogniser.name if new_recogniser else None,
        validation=validation,
        clips=clip_group,
        new=new_group,
        ceiling=_ceiling(ceiling_clips, clip_group, setup, new_setup, log),
        n_ceiling_clips=len(ceiling_clips),
        clips_verdict=_judge_clips(ceiling_clips, setup, log),
        notes=notes,
    )
    return _write(results, run, run.quick_report if quick else run.evaluation_report)


def summary(results: Results) -> list[str]:
    """Sum the results up in a few sentences for a terminal."""
    validation = results.validation
    sentences = [
        f"Step {results.step:,}: voice {validation.score:.2f} of 1, loss {validation.loss:.3f}; "
        f"speaking freely {validation.free}."
    ]
    for name, group in (("validation clips", results.clips), ("new sentences", results.new)):
        if not group.results:
            continue
        heard = group.verdict.beside(results.clips_verdict)
        parts = [*([heard] if heard else []), f"{group.aligned:.0%} read through"]
        if group.word_error_rate is not None:
            parts.append(f"{group.word_error_rate:.1%} of the words misheard")
        if group.mel_cepstral_distortion_db is not None:
            parts.append(f"{group.mel_cepstral_distortion_db:.1f} dB from the real clips")
        if group.pitch_correlation is not None:
            parts.append(f"melody {group.pitch_correlation:.2f} of 1")
        parts += [f"{n} {kind}" for kind in STOP_ERRORS if (n := group.n_stop_errors(kind))]
        sentences.append(f"{len(group.results)} {name}: {', '.join(parts)}.")
    if results.ceiling is not None:
        sentences.append(
            f"Of {results.n_ceiling_clips} real clips through the same vocoder "
            f"{results.ceiling:.1%} of the words are misheard: no voice can do better."
        )
    return sentences


def _open_datasets(
    checkpoint: Checkpoint, named: Path | Sequence[Path] | None, log: Callable[[str], None]
) -> Datasets:
    folders = checkpoint.dataset_folders
    if named is not None:
        folders = as_paths(named)
    elif not folders or not all(folder.is_dir() for folder in folders):
        gone = next((folder for folder in folders if not folder.is_dir()), None)
        raise FilelistError(
            (
                f"The run was trained on {gone}, which is not there now. "
                if gone
                else "This voice does not tell where its clips are. "
            )
            + "Name the dataset: ponytaco evaluate RUN --data FOLDER"
        )
    return open_datasets(
        read_datasets(folders),
        checkpoint.config.audio,
        checkpoint.symbols,
        checkpoint.config.train.cleaner,
        log,
    )


def _real_clips(dataset: ClipDataset) -> list[RealClip]:
    return [RealClip(clip, dataset.mels[i].T) for i, clip in enumerate(dataset.clips)]


def _recognisers(
    checkpoint: Checkpoint,
    data: Datasets,
    texts: Sequence[str],
    notes: list[str],
    log: Callable[[str], None],
) -> tuple[SpeechRecogniser | None, SpeechRecogniser | None]:
    """Return the recognisers of the clips and of new sentences; None with a note if impossible."""
    lexicon = Lexicon({w: tuple(phones.split()) for w, phones in checkpoint.lexicon.items()})
    cleaner = checkpoint.config.train.cleaner
    # The words of all clips: how these are recognised must not depend on the new sentences.
    clip_texts = (clip.text for clip in (*data.val.clips, *data.train.clips))
    try:
        recogniser = SpeechRecogniser(_words(clip_texts, cleaner), lexicon)
        new_recogniser = recogniser.also_for(_words(texts, cleaner))
    except RecogniserError as error:
        notes.append(f"Without a recogniser there are no word error rates. {error}")
        log(notes[-1])
        return None, None
    log(f"{recogniser.name.capitalize()} listens.")
    if new_recogniser is not recogniser:
        notes.append(
            "The new sentences have words that no clip has, so they are recognised by "
            f"{new_recogniser.name}, and so are the real clips that they are compared with."
        )
        log(notes[-1])
    return recogniser, new_recogniser


def _frames_per_symbol(config: Config, data: Datasets) -> float:
    knows_phones = config.train.p_arpabet > 0
    rates = [
        mel.shape[1] / len(text_to_ids(spelling, config.train.cleaner, dataset.symbols))
        for dataset in (data.val, data.train)
        for clip, mel in _real_clips(dataset)
        for spelling in [(knows_phones and clip.arpabet) or clip.text]
    ]
    return float(np.median(rates))


def _ceiling(
    clips: Sequence[RealClip],
    spoken: Group,
    setup: EvaluationSetup,
    new_setup: EvaluationSetup,
    log: Callable[[str], None],
) -> float | None:
    """Return the word error rate of real clips, recognised like the new sentences."""
    if new_setup.recogniser is None:
        return None
    log(f"Listening to {len(clips)} real clips …")
    heard: dict[str, list[str]] = {}
    if new_setup.recogniser is setup.recogniser:
        heard = {r.name: r.real_heard for r in spoken.results if r.real_heard is not None}
    pairs = [
        (said, heard[real.clip.ref] if real.clip.ref in heard else recognise_real(real, new_setup))
        for real in clips
        if (said := spoken_words(real.clip.text, setup.config.train.cleaner))
    ]
    return word_error_rate(pairs) if pairs else None


def _remember_voice(
    judges: Judges,
    train: ClipDataset,
    n_references: int,
    sample_rate: int,
    notes: list[str],
    log: Callable[[str], None],
) -> None:
    """Let the judges know the character's voice; tell which of them are missing."""
    # From the end: the real clips that are judged begin at the other one.
    references = train.clips[-n_references:]
    judges.remember([load_wav(c.path, sample_rate).numpy() for c in references], sample_rate)
    if judges.missing:
        notes.append(
            "How much of it people would understand, its MOS and its likeness are measured in part "
            f"or not at all. {' '.join(judges.missing)} Run: {HOW_TO_INSTALL}"
        )
        log(notes[-1])


def _judge_clips(
    clips: Sequence[RealClip], setup: EvaluationSetup, log: Callable[[str], None]
) -> Verdict:
    """Return the judges' verdict on real clips through the vocoder."""
    if not setup.judges.present:
        return mean_verdict([], [])
    log(f"Judging {len(clips)} real clips …")
    waveforms = [real_waveform(real, setup) for real in clips]
    opinions = setup.judges.listen(waveforms, setup.sample_rate)
    return mean_verdict(opinions, [real.clip.text for real in clips])


def _words(texts: Iterable[str], cleaner: str) -> set[str]:
    return {word for text in texts for word in spoken_words(text, cleaner)}


def _write(results: Results, run: Run, report: Path) -> Evaluation:
    try:
        report.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"Cannot make {report.parent}: {disk_problem(error)}") from None
    evaluation = Evaluation(results, report.with_suffix(".html"), report)
    write_text(evaluation.report, json.dumps(results.as_json(), indent=2) + "\n")
    write_text(evaluation.page, report_page(results, read_history(run.history)))
    return evaluation
