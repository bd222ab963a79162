"""Text -> speech with a trained voice."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ponytaco.checkpoint.format import (
    Checkpoint,
    CheckpointError,
    not_learnt_yet,
    verified_checkpoint,
)
from ponytaco.config import AudioConfig
from ponytaco.metrics.attention_errors import Take, best_take, end_of_reading, judge, may_stop_from
from ponytaco.model.inference_decoder import PackedDecoder
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.runs.folder import voice_files
from ponytaco.synthesis.joining import PAUSES, Leveller, fade_ends, silence, trim_silence
from ponytaco.synthesis.options import MAX_SYMBOLS_LIMITS, Delivery, DeliveryError
from ponytaco.synthesis.result import Sentence, Speech
from ponytaco.text.errors import TextError
from ponytaco.text.frontend import Line, Reader, Script
from ponytaco.text.lexicon import Lexicon, installed_dictionary, layered, read_dictionary
from ponytaco.vocoders.factory import Vocoder, open_vocoder

# A symbol takes about 6 frames (70 ms); a line that needs this many per symbol never stops.
_MAX_FRAMES_PER_SYMBOL = 25
_MIN_MAX_FRAMES = 200
# Symbols of a line, where the checkpoint does not know its longest text: 10 s, as the published
# voices have learnt; and what even a voice of very short clips is asked for, because pieces of
# two words sound worse than a voice that reads a little beyond what it has learnt.
_USUAL_LIMIT, _LEAST_LIMIT = 150, 40
# A text is spoken so many takes at a time: reading the weights costs as much for one as for all.
_BATCH = 8
# Texts of more characters keep no pictures, so that a book needs no more memory than its sound.
_LONG_TEXT = 2_000
# Seeds of the batches of one text, far enough apart that a user's next seed is none of them.
_NEXT_SEED = 1_000_003


class _Said(NamedTuple):
    """A take with its sound."""

    take: Take
    mel: Tensor  # (n_mels, T_mel)
    alignment: npt.NDArray[np.float32]  # (T_steps, T_text)
    seed: int


class _Performed(NamedTuple):
    """A line, its best take, and how many there were."""

    line: Line
    said: _Said
    tries: int


class Voice:
    """A trained voice, ready to speak.

    Args:
        path: a run's folder or a checkpoint.
        vocoder: a name in ``VOCODERS`` or a vocoder's file; or a function from mel
            (B, n_mels, T_mel) to waveform (B, T_wav). Where a named one's weights cannot be had,
            Griffin-Lim speaks, and ``notes`` says so.
        device: where to compute; 'cuda' is worth it from long texts on.
        weight_type: of the decoder's weights while speaking: 'auto' is the fastest that sounds the
            same as 'float32'; also 'float16', 'bfloat16' and 'int8'.
        dictionaries: files in CMUdict's form whose pronunciations come before the character's
            own; of a word in several of them the first one counts.
        max_symbols: longer sentences are cut, 10 to 1,000; 0 takes the longest text it was
            trained on.

    Raises:
        RunError, CheckpointError: there is no usable checkpoint.
        LexiconError: a dictionary cannot be read.
        DeliveryError: sentences cannot be cut so.
        VocoderError: there is no such vocoder.
        WeightTypeError: there is no such type on this machine.
    """

    def __init__(
        self,
        path: Path,
        vocoder: str | Path | Vocoder = "griffin_lim",
        device: str | torch.device = "cpu",
        weight_type: str = "auto",
        dictionaries: Sequence[Path] = (),
        max_symbols: int = 0,
    ) -> None:
        least, most = MAX_SYMBOLS_LIMITS
        if max_symbols and not least <= max_symbols <= most:
            raise DeliveryError(f"max_symbols is {max_symbols}; it can be {least} to {most}.")
        lexicons = [read_dictionary(dictionary) for dictionary in dictionaries]
        self.path, checkpoint, model, self.notes = _open(Path(path))
        self.audio: AudioConfig = checkpoint.config.audio
        self.step = checkpoint.progress.step
        self._is_aligned = checkpoint.progress.aligned_since is not None
        self._device = torch.device(device)
        self._model = model.to(self._device)
        self._packed = PackedDecoder(self._model.decoder, weight_type)
        knows_phones = checkpoint.config.train.p_arpabet > 0 and bool(checkpoint.lexicon)
        if lexicons and not knows_phones:
            self.notes.append(
                "This voice was trained on letters alone: the dictionary is not used."
            )
        own = Lexicon({w: tuple(phones.split()) for w, phones in checkpoint.lexicon.items()})
        self._reader = Reader(
            checkpoint.symbols,
            checkpoint.config.train.cleaner,
            layered([*lexicons, own, installed_dictionary()]) if knows_phones else None,
            max_symbols or max(_LEAST_LIMIT, checkpoint.longest_text or _USUAL_LIMIT),
            checkpoint.seen_symbols,
        )
        self._vocoder: Vocoder = (
            vocoder
            if callable(vocoder)
            else open_vocoder(vocoder, self.audio, self._device, say=self.notes.append)
        )

    @property
    def styles(self) -> list[str]:
        """The styles that it knows; where the checkpoint does not say, all that it may know."""
        return self._reader.styles

    def stream(self, text: str, delivery: Delivery | None = None, **how: Any) -> Iterator[Sentence]:
        """Speak a text, and hand out each line as soon as it is ready.

        Nothing is kept of a line that was handed out, so a text may be of any length.

        Args:
            text: any text; pronunciations in braces, ``{HH AH0 L OW1}``, styles in brackets,
                ``[happy]``.
            delivery: how to speak it.
            how: changes to ``delivery`` by name, ``best_of=4``.

        Raises:
            TextError: nothing in the text can be spoken, a pronunciation is none, or a style is
                unknown.
            DeliveryError: a way of speaking cannot be.
        """
        delivery = dataclasses.replace(delivery or Delivery(), **how)
        script = self._reader.read(text, delivery.style)
        return self._sentences(script, self._perform(script.lines, delivery), delivery)

    def speak(
        self,
        text: str,
        delivery: Delivery | None = None,
        *,
        keep: bool | None = None,
        on_sentence: Callable[[Sentence], None] = lambda sentence: None,
        **how: Any,
    ) -> Speech:
        """Speak a text: the lines of ``stream`` joined.

        Args:
            text: as in ``stream``, like the delivery and its changes.
            delivery: how to speak it.
            keep: whether the sentences keep their mels and attention; if left out, those of
                texts of up to 2,000 characters do.
            on_sentence: takes each sentence, with all it has, as soon as it is ready.
            how: changes to ``delivery``.

        Raises:
            TextError, DeliveryError: as in ``stream``.
        """
        speeches = self.speak_all([text], delivery, keep=keep, on_sentence=on_sentence, **how)
        (speech,) = speeches
        if isinstance(speech, TextError):
            raise speech
        return speech

    def speak_all(
        self,
        texts: Iterable[str],
        delivery: Delivery | None = None,
        *,
        keep: bool | None = None,
        on_sentence: Callable[[Sentence], None] = lambda sentence: None,
        **how: Any,
    ) -> Iterator[Speech | TextError]:
        """Speak several texts, whose lines share batches, which takes less time.

        Args:
            texts: each of any length.
            delivery: as in ``speak``, like the arguments after it.
            keep: whether the sentences keep their mels and attention.
            on_sentence: takes each sentence.
            how: changes to ``delivery``.

        Yields:
            For each text what was spoken, or why it could not be.

        Raises:
            DeliveryError: a way of speaking cannot be.
        """
        delivery = dataclasses.replace(delivery or Delivery(), **how)
        scripts = [(text, self._read(text, delivery.style)) for text in texts]
        lines = (line for _, script in scripts for line in getattr(script, "lines", ()))
        performance = self._perform(lines, delivery)
        for text, script in scripts:
            if isinstance(script, TextError):
                yield script
                continue
            keeps = len(text) <= _LONG_TEXT if keep is None else keep
            sentences = []
            for sentence in self._sentences(script, performance, delivery):
                on_sentence(sentence)
                if not keeps:
                    sentence = dataclasses.replace(sentence, mel=None, alignment=None)
                sentences.append(sentence)
            yield Speech(
                self._joined(sentences),
                self.audio.sample_rate,
                sentences,
                script.spelled,
                script.left_out,
                script.notes,
                self._babble(sentences),
            )

    def _babble(self, sentences: Sequence[Sentence]) -> str:
        # A voice that began with another one may read before any validation has found it out.
        if self._is_aligned or not all(sentence.is_babble for sentence in sentences):
            return ""
        return f"{not_learnt_yet(self.step)} What it said is babble. Train it longer."

    def _read(self, text: str, style: str) -> Script | TextError:
        try:
            return self._reader.read(text, style)
        except TextError as error:
            return error

    def _joined(self, sentences: Sequence[Sentence]) -> Tensor:
        rate = self.audio.sample_rate
        return torch.cat(
            [p for s in sentences for p in (s.waveform, silence(s.pause_seconds, rate))]
        )

    def _sentences(
        self, script: Script, performance: Iterator[_Performed], delivery: Delivery
    ) -> Iterator[Sentence]:
        """A script's lines as sound: trimmed, faded, evened."""
        rate = self.audio.sample_rate
        leveller = Leveller(rate)
        for number, performed in enumerate(itertools.islice(performance, len(script.lines))):
            line, said = performed.line, performed.said
            mel = at_speed(said.mel, delivery.speed)
            waveform = self._vocoder(mel[None].to(self._device))[0].float().cpu()
            waveform = leveller(trim_silence(waveform, rate), line.style)
            is_last = number == len(script.lines) - 1
            pause = 0.0 if is_last else PAUSES[line.ends] * delivery.pause / delivery.speed
            yield Sentence(
                text=line.text,
                waveform=fade_ends(waveform, rate),
                mel=mel.cpu().numpy(),
                alignment=said.alignment,
                take=said.take,
                words=tuple(word for word, _, _ in line.words),
                style=line.style,
                pause_seconds=pause,
                tries=performed.tries,
                seed=said.seed,
                unreadable=line.unreadable,
            )

    def _perform(self, lines: Iterable[Line], delivery: Delivery) -> Iterator[_Performed]:
        """The best take of every line."""
        seeds = (seed % 2**63 for seed in itertools.count(delivery.seed, _NEXT_SEED))
        waiting = iter(lines)
        n_lines = 1  # alone, so that there is soon something to listen to
        while batch := list(itertools.islice(waiting, n_lines)):
            yield from self._best_takes(batch, delivery, seeds)
            n_lines = max(1, _BATCH // delivery.best_of)

    def _best_takes(
        self, lines: Sequence[Line], delivery: Delivery, seeds: Iterator[int]
    ) -> list[_Performed]:
        n = delivery.best_of
        takes: list[list[_Said]] = [[] for _ in lines]
        open_lines = list(range(len(lines)))
        n_tries = [0] * len(lines)
        for seed in itertools.islice(seeds, 1 + delivery.retries):
            wanted = [lines[number] for number in open_lines for _ in range(n)]
            said = self._say(wanted, delivery, seed)
            for place, number in enumerate(open_lines):
                candidates = takes[number] + said[place * n : (place + 1) * n]
                takes[number] = [candidates[best_take([each.take for each in candidates])]]
                n_tries[number] += n
            open_lines = [i for i in open_lines if _is_worth_a_retry(takes[i][0].take)]
            if not open_lines:
                break
        return [
            _Performed(line, said, tries)
            for line, (said,), tries in zip(lines, takes, n_tries, strict=True)
        ]

    def _say(self, lines: Sequence[Line], delivery: Delivery, seed: int) -> list[_Said]:
        """A take of each line, all in one batch."""
        lengths = torch.tensor([len(line.ids) for line in lines], device=self._device)
        ids = [torch.tensor(line.ids, device=self._device) for line in lines]
        limits = [self._limit(line, delivery.max_seconds) for line in lines]
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            out, n_frames = self._model.infer(
                pad_sequence(ids, batch_first=True),
                lengths,
                max_frames=max(limits),
                gate_threshold=delivery.gate_threshold,
                packed=self._packed,
                may_stop_from=torch.tensor(
                    [may_stop_from(line.spoken) for line in lines], device=self._device
                ),
            )
        said = []
        for row, (line, limit) in enumerate(zip(lines, limits, strict=True)):
            n = min(int(n_frames[row]), limit)
            gate = torch.sigmoid(out.gate[row, n - 1])
            stopped = bool(gate > delivery.gate_threshold)
            weights = out.alignment[row, : -(-n // self._r), : len(line.ids)].float().cpu().numpy()
            said.append(self._judged(line, out.mel_postnet[row, :, :n], weights, stopped, seed))
        return said

    def _judged(
        self,
        line: Line,
        mel: Tensor,
        alignment: npt.NDArray[np.float32],
        stopped: bool,
        seed: int,
    ) -> _Said:
        words = [(start, stop) for _, start, stop in line.words]
        take = judge(alignment, line.spoken, words, stopped, self._r)
        if not stopped and take.read_through:
            # What follows is babble, which nobody needs to hear.
            end = end_of_reading(alignment, line.spoken, self._r)
            if end is not None:
                mel, alignment = mel[:, :end], alignment[: -(-end // self._r)]
                take = judge(alignment, line.spoken, words, stopped, self._r)
        return _Said(take, mel.float().clone(), alignment.copy(), seed)

    def _limit(self, line: Line, max_seconds: float) -> int:
        """Frames after which a line is cut."""
        if max_seconds > 0:
            return max(1, round(max_seconds * self.audio.sample_rate / self.audio.hop_length))
        return max(_MIN_MAX_FRAMES, _MAX_FRAMES_PER_SYMBOL * len(line.ids))

    @property
    def _r(self) -> int:
        return self._model.decoder.n_frames_per_step


def _open(path: Path) -> tuple[Path, Checkpoint, Tacotron2, list[str]]:
    """The first checkpoint that can be used, its model, and what was wrong with those before."""
    wrong: list[str] = []
    for candidate in voice_files(path):
        try:
            checkpoint = verified_checkpoint(candidate)
            model = checkpoint.build_model()
        except CheckpointError as error:
            wrong.append(str(error))
            continue
        notes = [*wrong, f"{candidate} speaks instead."] if wrong else []
        return candidate, checkpoint, model, notes
    if path.suffix:  # of a shared file, and its error has what to do
        raise CheckpointError(wrong[0])
    if not path.is_dir():
        raise CheckpointError(
            f"{wrong[0]} Give the folder of the run, where an earlier save may speak instead."
        )
    others = " None of the other saves there can be used either." if len(wrong) > 1 else ""
    raise CheckpointError(
        f"{wrong[0]}{others} Copy the folder again from where it was trained, or train it anew in "
        "another folder."
    )


def _is_worth_a_retry(take: Take) -> bool:
    return not take.good and not take.lost


def at_speed(mel: Tensor, speed: float) -> Tensor:
    """A mel spectrogram with its frames closer together or further apart.

    Harmonics stay in their bands, so the pitch does too, and the vocoder makes new phases. A phase
    vocoder on the waveform smears the old ones: on six clips of real speech, through Griffin-Lim,
    the log-mels then are off by 0.55 at speed 0.8 and 0.61 at 1.25, and here by 0.17 and 0.19 (0.10
    without any change of speed).

    Args:
        mel: (n_mels, T_mel).
        speed: above 1 is faster.

    Returns:
        (n_mels, round(T_mel / speed)).
    """
    if speed == 1:
        return mel
    n_frames = max(1, round(mel.shape[1] / speed))
    return F.interpolate(mel[None], n_frames, mode="linear", align_corners=False)[0]
