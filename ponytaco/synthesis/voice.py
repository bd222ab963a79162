"""Voices: text to speech with a trained checkpoint."""

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

from ponytaco.checkpoint.format import Checkpoint, CheckpointError, not_learnt_yet
from ponytaco.checkpoint.importing import ForeignVoiceError, is_imported, open_voice_file
from ponytaco.config import AudioConfig
from ponytaco.metrics.attention_errors import (
    Take,
    best_take,
    end_of_reading,
    find_attention_errors,
    may_stop_from,
)
from ponytaco.model.cuda_graphs import graphs_for
from ponytaco.model.inference_decoder import PackedDecoder
from ponytaco.model.tacotron2 import Tacotron2
from ponytaco.runs.folder import voice_files
from ponytaco.synthesis.joining import PAUSES, Leveller, fade_ends, silence, trim_silence
from ponytaco.synthesis.options import MAX_SYMBOLS_LIMITS, SpeechOptions, SpeechOptionsError
from ponytaco.synthesis.result import Sentence, Speech
from ponytaco.synthesis.voice_text import voice_frontend
from ponytaco.text.errors import TextError
from ponytaco.text.lexicon import read_dictionary
from ponytaco.text.script import Script, Utterance
from ponytaco.vocoders.factory import Vocoder, open_vocoder

# A symbol takes about 6 frames (70 ms); an utterance that needs this many a symbol never stops.
_MAX_FRAMES_PER_SYMBOL = 25
_MIN_MAX_FRAMES = 200
# Takes at a time: reading the weights costs as much for one as for all.
_BATCH = 8
# Texts of more characters keep no pictures, so that a book needs no more memory than its sound.
_LONG_TEXT = 2_000
# Natural logarithm of a magnitude; speech stays below 5, and no vocoder can add up e^90.
_LOUDEST_MEL = 50.0
# Between the seeds of one text's batches: a user's next seed is not among them.
_NEXT_SEED = 1_000_003


class _Synthesized(NamedTuple):
    """A take with its mel and attention."""

    take: Take
    mel: Tensor  # (n_mels, T_mel)
    alignment: npt.NDArray[np.float32]  # (T_steps, T_text)
    seed: int


class _BestTake(NamedTuple):
    """An utterance, its best take, and the number of takes."""

    utterance: Utterance
    best: _Synthesized
    tries: int


class Voice:
    """A trained voice, ready to speak.

    Args:
        path: a run's folder, a checkpoint, a shared voice, or one of another program in NVIDIA's
            layout; ``notes`` tells what was assumed about the latter.
        vocoder: 'auto', the best that is here, which ``notes`` names; a name in ``VOCODERS`` or a
            vocoder's file; or a function from mel (B, n_mels, T_mel) to waveform (B, T_wav). If a
            named one's weights cannot be downloaded, Griffin-Lim speaks, and ``notes`` tells so.
        device: where to compute; 'cuda' pays from long texts on.
        weight_type: type of the decoder's weights: 'auto' is the fastest that sounds the same as
            'float32'; also 'float16', 'bfloat16' and 'int8'.
        dictionaries: files in CMUdict's form, which take precedence over the character's own
            pronunciations; the first that has a word counts.
        max_symbols: longer sentences are cut, 10 to 1,000; 0 takes the longest text that the voice
            was trained on.
        checkpoint: the content of ``path``, where it has been read already.

    Raises:
        RunError, CheckpointError: there is no usable checkpoint.
        LexiconError: a dictionary cannot be read.
        SpeechOptionsError: ``max_symbols`` is out of range.
        VocoderError: the vocoder does not exist or does not fit.
        WeightTypeError: this machine does not have the type.
    """

    def __init__(
        self,
        path: Path,
        vocoder: str | Path | Vocoder = "auto",
        device: str | torch.device = "cpu",
        weight_type: str = "auto",
        dictionaries: Sequence[Path] = (),
        max_symbols: int = 0,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        least, most = MAX_SYMBOLS_LIMITS
        if max_symbols and not least <= max_symbols <= most:
            raise SpeechOptionsError(f"max_symbols is {max_symbols}; it can be {least} to {most}.")
        said: list[str] = []
        lexicons = [read_dictionary(dictionary, said.append) for dictionary in dictionaries]
        self.path, self.notes = Path(path), said
        if checkpoint is None:
            self.path, checkpoint, model, notes = _open(self.path)
            self.notes += notes
        else:
            model = checkpoint.build_model()
        self.audio: AudioConfig = checkpoint.config.audio
        self.step = checkpoint.run_state.step
        self._is_aligned = checkpoint.run_state.aligned_since is not None
        self._device = torch.device(device)
        self.model = model.to(self._device)
        setting = checkpoint.config.train.cuda_graphs
        self.model.decoder.graphs = graphs_for(self._device, setting)
        self._packed = PackedDecoder(self.model.decoder, weight_type)
        self._is_imported = is_imported(checkpoint)
        self._frontend = voice_frontend(checkpoint, lexicons, self.notes.append, max_symbols)
        self._vocoder: Vocoder = (
            vocoder
            if callable(vocoder)
            else open_vocoder(
                vocoder, self.audio, self._device, voice=self.path, log=self.notes.append
            )
        )

    def read(self, text: str, style: str = "") -> Script:
        """Read a text without speaking it: what the voice gets, and what its writer should know.

        Args:
            text: as in ``stream``.
            style: the style at its beginning.

        Raises:
            TextError: as in ``stream``.
        """
        return self._frontend.read(text, style)

    @property
    def symbols(self) -> Sequence[str]:
        """The table that a script's ids are indices into."""
        return self._frontend.symbols

    @property
    def styles(self) -> list[str]:
        """Styles that the voice knows; all it may know if the checkpoint does not record them."""
        return self._frontend.styles

    def stream(
        self, text: str, options: SpeechOptions | None = None, **changes: Any
    ) -> Iterator[Sentence]:
        """Speak a text of any length, and yield each sentence as soon as it is ready.

        Args:
            text: any text; pronunciations in braces, ``{HH AH0 L OW1}``, styles in brackets,
                ``[happy]``.
            options: how to speak.
            changes: changes to ``options`` by name, ``best_of=4``.

        Raises:
            TextError: nothing in the text can be spoken, braces hold no pronunciation, or a style
                is unknown.
            SpeechOptionsError: an option is out of range.
            CheckpointError: the voice has diverged, and makes no sound.
        """
        options = dataclasses.replace(options or SpeechOptions(), **changes)
        script = self._frontend.read(text, options.style)
        takes = self._best_takes(script.utterances, options)
        return self._sentences(script, takes, options)

    def speak(
        self,
        text: str,
        options: SpeechOptions | None = None,
        *,
        keep: bool | None = None,
        on_sentence: Callable[[Sentence], None] = lambda sentence: None,
        **changes: Any,
    ) -> Speech:
        """Speak a text.

        Args:
            text: as in ``stream``.
            options: how to speak.
            keep: whether the sentences keep their mels and attention; if left out, those of
                texts of up to 2,000 characters do.
            on_sentence: takes each sentence, with its mel and attention, as soon as it is ready.
            changes: changes to ``options``.

        Raises:
            TextError, SpeechOptionsError, CheckpointError: as in ``stream``.
        """
        speeches = self.speak_all([text], options, keep=keep, on_sentence=on_sentence, **changes)
        (speech,) = speeches
        if isinstance(speech, TextError):
            raise speech
        return speech

    def speak_all(
        self,
        texts: Iterable[str],
        options: SpeechOptions | None = None,
        *,
        keep: bool | None = None,
        on_sentence: Callable[[Sentence], None] = lambda sentence: None,
        **changes: Any,
    ) -> Iterator[Speech | TextError]:
        """Speak several texts, which share batches: faster than one by one.

        Args:
            texts: each of any length.
            options: as in ``speak``, like the arguments after it.
            keep: whether the sentences keep their mels and attention.
            on_sentence: takes each sentence.
            changes: changes to ``options``.

        Yields:
            Each text's speech, or the error why there is none.

        Raises:
            SpeechOptionsError, CheckpointError: as in ``stream``.
        """
        options = dataclasses.replace(options or SpeechOptions(), **changes)
        scripts = [(text, self._read(text, options.style)) for text in texts]
        utterances = (u for _, script in scripts for u in getattr(script, "utterances", ()))
        takes = self._best_takes(utterances, options)
        for text, script in scripts:
            if isinstance(script, TextError):
                yield script
                continue
            keeps = len(text) <= _LONG_TEXT if keep is None else keep
            sentences = []
            for sentence in self._sentences(script, takes, options):
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
                script.guessed,
            )

    def _babble(self, sentences: Sequence[Sentence]) -> str:
        # A voice warm-started from another may read before a validation finds it aligned.
        if self._is_aligned or not all(sentence.is_babble for sentence in sentences):
            return ""
        if self._is_imported:
            return (
                "What you hear is babble: this voice has not learnt to read, or it has other "
                "symbols than it was taken for."
            )
        return f"{not_learnt_yet(self.step)} What you hear is babble. Train it longer."

    def _read(self, text: str, style: str) -> Script | TextError:
        try:
            return self._frontend.read(text, style)
        except TextError as error:
            return error

    def _joined(self, sentences: Sequence[Sentence]) -> Tensor:
        rate = self.audio.sample_rate
        return torch.cat(
            [p for s in sentences for p in (s.waveform, silence(s.pause_seconds, rate))]
        )

    def _sentences(
        self, script: Script, takes: Iterator[_BestTake], options: SpeechOptions
    ) -> Iterator[Sentence]:
        """Turn a script's takes into sound: trimmed, levelled and faded."""
        rate = self.audio.sample_rate
        leveller = Leveller(rate)
        n = len(script.utterances)
        for number, (utterance, best, tries) in enumerate(itertools.islice(takes, n), start=1):
            mel = at_speed(best.mel, options.speed)
            if not torch.isfinite(mel).all() or mel.max() > _LOUDEST_MEL:
                raise CheckpointError(
                    f"{self.path} cannot speak: its weights give infinite or NaN mels, as after a "
                    "training that has diverged. Take an earlier save of it, or another voice."
                )
            waveform = self._vocoder(mel[None].to(self._device))[0].float().cpu()
            waveform = leveller(trim_silence(waveform, rate), utterance.style)
            pause = PAUSES[utterance.ends] * options.pause / options.speed
            yield Sentence(
                text=utterance.text,
                waveform=fade_ends(waveform, rate),
                mel=mel.cpu().numpy(),
                alignment=best.alignment,
                take=best.take,
                words=tuple(word.name for word in utterance.words),
                style=utterance.style,
                pause_seconds=pause if number < n else 0.0,
                tries=tries,
                seed=best.seed,
                unreadable=utterance.unreadable,
            )

    def _best_takes(
        self, utterances: Iterable[Utterance], options: SpeechOptions
    ) -> Iterator[_BestTake]:
        seeds = (seed % 2**63 for seed in itertools.count(options.seed, _NEXT_SEED))
        waiting = iter(utterances)
        n_utterances = 1  # the first alone, so that there is soon something to listen to
        while batch := list(itertools.islice(waiting, n_utterances)):
            yield from self._best_takes_of_batch(batch, options, seeds)
            n_utterances = max(1, _BATCH // options.best_of)

    def _best_takes_of_batch(
        self, utterances: Sequence[Utterance], options: SpeechOptions, seeds: Iterator[int]
    ) -> list[_BestTake]:
        n = options.best_of
        best: list[list[_Synthesized]] = [[] for _ in utterances]
        pending = list(range(len(utterances)))
        n_tries = [0] * len(utterances)
        for seed in itertools.islice(seeds, 1 + options.retries):
            wanted = [utterances[number] for number in pending for _ in range(n)]
            takes = self._synthesize(wanted, options, seed)
            for place, number in enumerate(pending):
                candidates = best[number] + takes[place * n : (place + 1) * n]
                best[number] = [candidates[best_take([each.take for each in candidates])]]
                n_tries[number] += n
            pending = [i for i in pending if _is_worth_a_retry(best[i][0].take)]
            if not pending:
                break
        return [
            _BestTake(utterance, take, tries)
            for utterance, (take,), tries in zip(utterances, best, n_tries, strict=True)
        ]

    def _synthesize(
        self, utterances: Sequence[Utterance], options: SpeechOptions, seed: int
    ) -> list[_Synthesized]:
        """Synthesise a take of each utterance in one batch."""
        lengths = torch.tensor([len(u.ids) for u in utterances], device=self._device)
        ids = [torch.tensor(u.ids, device=self._device) for u in utterances]
        limits = [self._max_frames(u, options.max_seconds) for u in utterances]
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            out, n_frames = self.model.infer(
                pad_sequence(ids, batch_first=True),
                lengths,
                max_frames=max(limits),
                gate_threshold=options.gate_threshold,
                packed=self._packed,
                may_stop_from=torch.tensor(
                    [may_stop_from(u.spoken) for u in utterances], device=self._device
                ),
            )
        takes = []
        for row, (utterance, limit) in enumerate(zip(utterances, limits, strict=True)):
            n = min(int(n_frames[row]), limit)
            gate = torch.sigmoid(out.gate[row, n - 1])
            stopped = bool(gate > options.gate_threshold)
            weights = out.alignment[row, : -(-n // self._r), : len(utterance.ids)]
            mel, alignment = out.mel_postnet[row, :, :n], weights.float().cpu().numpy()
            takes.append(self._take(utterance, mel, alignment, stopped, seed))
        return takes

    def _take(
        self,
        utterance: Utterance,
        mel: Tensor,
        alignment: npt.NDArray[np.float32],
        stopped: bool,
        seed: int,
    ) -> _Synthesized:
        words, spoken = [(word.start, word.stop) for word in utterance.words], utterance.spoken
        take = find_attention_errors(alignment, spoken, words, stopped, self._r)
        if not stopped and take.read_through:
            # What follows is babble.
            end = end_of_reading(alignment, spoken, self._r)
            if end is not None:
                mel, alignment = mel[:, :end], alignment[: -(-end // self._r)]
                take = find_attention_errors(alignment, spoken, words, stopped, self._r)
        return _Synthesized(take, mel.float().clone(), alignment.copy(), seed)

    def _max_frames(self, utterance: Utterance, max_seconds: float) -> int:
        if max_seconds > 0:
            return max(1, round(max_seconds * self.audio.sample_rate / self.audio.hop_length))
        return max(_MIN_MAX_FRAMES, _MAX_FRAMES_PER_SYMBOL * len(utterance.ids))

    @property
    def _r(self) -> int:
        return self.model.decoder.n_frames_per_step


def _open(path: Path) -> tuple[Path, Checkpoint, Tacotron2, list[str]]:
    """Open the first usable checkpoint; return its path, content, model, and notes on others."""
    wrong: list[str] = []
    for candidate in voice_files(path):
        try:
            checkpoint, notes = open_voice_file(candidate)
            model = checkpoint.build_model()
        except ForeignVoiceError:
            raise  # no other save of the folder would be better
        except CheckpointError as error:
            wrong.append(str(error))
            continue
        instead = [*wrong, f"{candidate} speaks instead."] if wrong else []
        return candidate, checkpoint, model, [*instead, *notes]
    if path.suffix:  # of a shared file, whose error tells what to do
        raise CheckpointError(wrong[0])
    if not path.is_dir():
        raise CheckpointError(
            f"{wrong[0]} Give the run's folder instead, where an earlier save may be usable."
        )
    others = " The other saves there cannot be used either." if len(wrong) > 1 else ""
    raise CheckpointError(
        f"{wrong[0]}{others} Copy the folder again from where it was trained, or train anew in "
        "another folder."
    )


def _is_worth_a_retry(take: Take) -> bool:
    return not take.good and not take.lost


def at_speed(mel: Tensor, speed: float) -> Tensor:
    """Stretch or squeeze a mel spectrogram in time.

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
