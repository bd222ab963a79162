import json
import re
import shutil

import numpy as np
import pytest
import torch

import ponytaco.training.session as session_module
from ponytaco.checkpoint.format import CheckpointError, load_checkpoint, save_checkpoint
from ponytaco.metrics.alignment import AlignmentScore
from ponytaco.metrics.attention_errors import Take
from ponytaco.model.tacotron2 import Tacotron2Output
from ponytaco.presets import preset
from ponytaco.runs.folder import Run, RunError
from ponytaco.synthesis.options import SpeechOptions, SpeechOptionsError
from ponytaco.synthesis.result import Sentence, Speech
from ponytaco.synthesis.voice import Voice, at_speed
from ponytaco.text.encode import ids_to_text
from ponytaco.text.errors import TextError
from ponytaco.text.lexicon import LexiconError
from ponytaco.training.loop import train
from ponytaco.vocoders.weights import VocoderError


@pytest.fixture(scope="module")
def voice(trained_run):
    return Voice(trained_run.run.folder)


def n_symbols(sentence):
    return sentence.alignment.shape[1]


# Speaking


def test_a_voice_speaks(voice):
    speech = voice.speak("Bad day. Cake!", max_seconds=0.6)
    assert speech.sample_rate == 22_050
    assert speech.waveform.ndim == 1 and speech.waveform.dtype == torch.float32
    assert torch.isfinite(speech.waveform).all()
    assert speech.waveform.abs().max() > 1e-3
    assert [sentence.text for sentence in speech.sentences] == ["Bad day.", "Cake!"]
    assert speech.seconds == len(speech.waveform) / 22_050
    for sentence in speech.sentences:
        assert sentence.mel.shape[0] == 80
        assert len(sentence.alignment) == -(-sentence.mel.shape[1] // 2)
        np.testing.assert_allclose(sentence.alignment.sum(1), 1, rtol=1e-4)


def test_sentences_are_parted_by_a_pause(voice):
    speech = voice.speak("Bad day. Cake! A bee.", max_seconds=0.3, retries=0)
    first, second, third = (sentence.waveform for sentence in speech.sentences)
    pause = torch.zeros(round(0.4 * 22_050))
    expected = torch.cat([first, pause, second, pause, third])  # and none at the end
    assert torch.equal(speech.waveform, expected)
    twice = voice.speak("Bad day. Cake! A bee.", max_seconds=0.3, retries=0, pause=2)
    assert len(twice.waveform) == len(expected) + 2 * len(pause)
    longer = voice.speak("Bad day, cake.\n\nA bee.", max_seconds=0.3, retries=0)
    assert [sentence.pause_seconds for sentence in longer.sentences] == [0.8, 0.0]


def test_a_seed_is_a_way_of_speaking(voice):
    def speak(seed):
        return voice.speak("Bad day. Cake!", max_seconds=0.4, seed=seed, retries=0).waveform

    first = speak(3)
    torch.rand(5)
    assert torch.equal(speak(3), first)
    assert not torch.equal(speak(4), first)


def test_two_sentences_do_not_share_their_noise(voice):
    first, second = voice.speak("Bad day. Bad day.", max_seconds=0.4).sentences
    assert not np.array_equal(first.mel, second.mel)


def test_speaking_leaves_others_random_numbers_alone(voice):
    before = torch.get_rng_state()
    voice.speak("Cake.", max_seconds=0.1)
    assert torch.equal(torch.get_rng_state(), before)


def test_words_of_the_lexicon_become_phones(voice):
    speech = voice.speak("Fade, cake.", max_seconds=0.1)
    # three phones, space, three phones, full stop: it has learnt no comma
    assert n_symbols(speech.sentences[0]) == 3 + 1 + 3 + 1
    assert speech.spelled == []


def test_words_the_lexicon_lacks_are_guessed_or_spelled_and_listed(voice):
    speech = voice.speak("Fade beck! {B IY1} baff beck.", max_seconds=0.1)
    assert speech.guessed == speech.report()["guessed"] == ["baff"]
    assert speech.spelled == ["beck"]  # it has not learnt EH1
    # three phones, space, four letters, and a full stop for the mark that it has not learnt
    assert n_symbols(speech.sentences[0]) == 3 + 1 + 4 + 1


def test_words_that_nobody_will_understand_are_not_good(trained_run, acted, monkeypatch):
    def unlettered(path):
        checkpoint = load_checkpoint(path)
        checkpoint.seen_symbols = [s for s in checkpoint.seen_symbols if not s.isalpha()]
        return checkpoint

    monkeypatch.setattr("ponytaco.checkpoint.importing.verified_checkpoint", unlettered)
    voice, actor = acted(lambda call, row, n: (straight(n), True))
    word = "x" * 50
    speech = voice.speak(f"Fade. Pony. {word} day.")
    assert speech.spelled == [] and speech.guessed == ["pony"]
    assert "sounds N OW1 P yet" in speech.warnings[0] and word in speech.warnings[1]
    fade, pony, day = speech.report()["pieces"]
    assert (fade["good"], fade["unreadable"]) == (True, [])
    assert (pony["good"], pony["unreadable"]) == (False, ["pony"])
    assert (day["good"], day["unreadable"]) == (False, [word])
    assert len(actor.calls) == 2  # saying it again would not help


def voice_of(dataset, folder, **settings):
    config = preset("tiny").replace(
        batch_size=4, max_steps=1, prenet_dim=8, attention_rnn_dim=8, decoder_rnn_dim=8,
        device="cpu", **settings,
    )  # fmt: skip
    train(dataset, Run(folder), config, log=lambda sentence: None)
    return Voice(folder)


def test_a_voice_of_letters_reads_letters(fake_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "save_pictures", lambda *args: None)
    speech = voice_of(fake_dataset, tmp_path, p_arpabet=0.0).speak("Fade.", max_seconds=0.1)
    assert n_symbols(speech.sentences[0]) == len("fade.")
    assert speech.spelled == []


def test_a_voice_that_never_saw_phones_reads_letters(fake_dataset, tmp_path, monkeypatch):
    """The lists' third column may be missing while there is a lexicon."""
    monkeypatch.setattr(session_module, "save_pictures", lambda *args: None)
    folder = shutil.copytree(fake_dataset, tmp_path / "data")
    for name in ("train.txt", "val.txt"):
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("".join(line.rpartition("|")[0] + "\n" for line in lines))
    speech = voice_of(folder, tmp_path / "run").speak("Fade.", max_seconds=0.1)
    assert n_symbols(speech.sentences[0]) == len("fade.")


@pytest.mark.parametrize("text", ["", "   ", "\n", "?!", "☻", "..."])
def test_nothing_to_speak_is_said(voice, text):
    with pytest.raises(TextError) as error:
        voice.speak(text)
    assert "\n" not in str(error.value) and "words" in str(error.value)


def test_what_can_be_spoken_is_spoken(voice, trained_run, tmp_path):
    """A TextError is for a text in which nothing can be spoken."""
    checkpoint = load_checkpoint(trained_run.run.best_model)
    checkpoint.config = checkpoint.config.replace(cleaner="basic")  # which reads no digits
    save_checkpoint(tmp_path / "model", checkpoint)
    speech = Voice(tmp_path / "model").speak("Cake. 42.", max_seconds=0.1)
    assert [sentence.text for sentence in speech.sentences] == ["Cake."]
    assert any("42." in warning for warning in speech.warnings)


# The end of a sentence


def never_reads(call, row, n):
    return [0], False


def test_a_sentence_that_never_stops_is_cut_with_a_warning(acted):
    voice, _ = acted(never_reads)
    speech = voice.speak("Fade cab bee.", retries=0)
    (sentence,) = speech.sentences
    assert not sentence.stopped
    assert sentence.mel.shape[1] == max(200, 25 * n_symbols(sentence))
    assert any("'Fade cab bee.'" in w and "cut" in w for w in sentence.warnings)


def test_a_voice_that_cannot_read_yet_says_so_once(acted):
    voice, _ = acted(never_reads)
    voice._is_aligned = False
    speech = voice.speak("Fade cab bee. Add bad day.", retries=0)
    assert all(sentence.warnings for sentence in speech.sentences)
    (warning,) = speech.warnings
    assert warning.startswith(f"This voice has not learnt to read yet (step {voice.step}).")
    reader, _ = acted(lambda call, row, n: (straight(n) if row else [0], bool(row)))
    reader._is_aligned = False
    warnings = reader.speak("Add. Fade cab bee. Add bad day.", retries=0).warnings
    assert warnings and not any("not learnt" in warning for warning in warnings)
    voice._is_aligned = True
    assert len(voice.speak("Fade cab bee. Add bad day.", retries=0).warnings) >= 2


def test_each_sentence_of_a_batch_has_its_own_limit(acted):
    voice, _ = acted(never_reads)
    sentences = voice.speak("Add. Add. Fade cab bee bad day cake.", retries=0).sentences
    assert [s.mel.shape[1] for s in sentences[:2]] == [200, 200]
    assert sentences[2].mel.shape[1] == 25 * n_symbols(sentences[2]) > 200


@pytest.mark.parametrize("seconds", [0.01, 0.3, 1.0])
def test_the_limit_is_what_was_asked_for(acted, seconds):
    voice, _ = acted(never_reads)
    (sentence,) = voice.speak("Bad day.", max_seconds=seconds, retries=0).sentences
    assert sentence.mel.shape[1] == pytest.approx(seconds * 22_050 / 256, abs=1)
    assert torch.isfinite(sentence.waveform).all()


def test_a_gate_that_opens_ends_the_sentence(voice):
    speech = voice.speak("Day.", gate_threshold=0.0)  # of its last sounds alone
    (sentence,) = speech.sentences
    assert sentence.stopped and sentence.mel.shape[1] == 1
    assert not any("cut" in warning for warning in speech.warnings)


GOOD = AlignmentScore(0.9, 1.0, 1.0, 1.0, 0.1, 1.0)


def test_what_went_wrong_is_said_with_the_words():
    takes = {
        "good": Take(GOOD, True),
        "skipped": Take(GOOD, True, skipped=(0,)),
        "repeated": Take(GOOD, True, repeated=(1,)),
        "unread": Take(GOOD, True, unread=(0, 1)),
        "stuck": Take(GOOD, True, stuck=(1,)),
        "endless": Take(GOOD, False),
        "lost": Take(AlignmentScore(0.1, 0.5, 1.0, 1.0, 0.1, 1.0), True),
    }
    sentences = [
        Sentence(name, torch.zeros(1), None, None, take, ("pony", "cake"))
        for name, take in takes.items()
    ]
    warnings = Speech(torch.zeros(1), 22_050, sentences).warnings
    assert [warning.split("'")[1] for warning in warnings] == list(takes)[1:]
    for warning, said in zip(
        warnings, ("skipped: pony.", "repeated.*: cake.", "unread.*: pony, cake.",
                   "drawn out: cake.", "was cut", "babbles"), strict=True,
    ):  # fmt: skip
        assert re.search(said, warning)


def test_many_words_are_counted():
    take = Take(GOOD, True, skipped=tuple(range(40)))
    (warning,) = Sentence("x", torch.zeros(1), None, None, take, ("word",) * 40).warnings
    assert warning.endswith("and 28 more.")


# Takes, on attention that is drawn by hand


class Actor:
    """Stands in for a voice's model: every take goes as it is told to; None is no path at all."""

    n_frames_per_step = 2

    def __init__(self, act):
        self.act = act
        self.calls = []

    def infer(self, text, text_lengths, max_frames, gate_threshold, packed, may_stop_from):
        acts = [self.act(len(self.calls), row, int(n)) for row, n in enumerate(text_lengths)]
        self.calls.append(text.tolist())
        self.ends = may_stop_from.tolist()
        lengths = [(2 * len(path) if path else 60) if stops else max_frames for path, stops in acts]
        n_steps = -(-max(lengths) // 2)
        alignment = torch.full((len(acts), n_steps, text.shape[1]), 1 / text.shape[1])
        gate = torch.full((len(acts), max(lengths)), -9.0)
        for row, (path, stops) in enumerate(acts):
            if path:
                alignment[row] = 0.0
                alignment[row, range(n_steps), [*path, *[path[-1]] * n_steps][:n_steps]] = 1.0
            if stops:
                gate[row, lengths[row] - 1 :] = 9.0
        noise = torch.randn(len(acts), 80, max(lengths)) - 2
        out = Tacotron2Output(noise, noise, gate, alignment, noise)
        return out, torch.tensor(lengths)


def hiss(mel):
    """A vocoder that takes no time."""
    return 0.1 * torch.randn(1, 256 * mel.shape[2])


def straight(n_symbols):
    return [symbol for symbol in range(n_symbols) for _ in range(2)]


def skipping(n_symbols):
    return [symbol for symbol in straight(n_symbols) if not 1 <= symbol <= 7]


@pytest.fixture
def acted(trained_run, monkeypatch):
    def make(act):
        voice = Voice(trained_run.run.folder, vocoder=hiss)
        actor = Actor(act)
        monkeypatch.setattr(voice.model, "infer", actor.infer)
        return voice, actor

    return make


TEXT = "Fade bad cake add cab."


def test_the_gate_counts_only_at_each_lines_end(acted):
    voice, actor = acted(lambda call, row, n: (straight(n), True))
    voice.speak("Fade. Bad cake and cab. A cab and a bad fade.", pause=0)
    cab, fade = (
        ids_to_text([id_ for id_ in text[end:] if id_])
        for text, end in zip(actor.calls[-1], actor.ends, strict=True)
    )
    assert (cab, fade) == ("{K AE1 B}.", "{F EY1 D}.")


def test_a_good_take_is_not_repeated(acted):
    voice, actor = acted(lambda call, row, n: (straight(n), True))
    speech = voice.speak(TEXT)
    assert len(actor.calls) == 1 and len(actor.calls[0]) == 1
    assert speech.sentences[0].tries == 1 and speech.warnings == []


def test_the_best_of_several_takes_is_used_and_they_share_a_batch(acted):
    voice, actor = acted(lambda call, row, n: (straight(n) if row == 2 else skipping(n), True))
    (sentence,) = voice.speak(TEXT, best_of=4).sentences
    assert [len(call) for call in actor.calls] == [4]
    assert sentence.take.good and sentence.tries == 4
    assert len(sentence.alignment) == len(straight(sentence.alignment.shape[1]))


def test_a_failure_is_tried_again_with_another_seed(acted):
    voice, actor = acted(lambda call, row, n: (straight(n) if call == 2 else skipping(n), True))
    (sentence,) = voice.speak(TEXT, retries=3).sentences
    assert len(actor.calls) == 3 and sentence.tries == 3 and sentence.take.good
    assert sentence.seed not in (1234, 1235)


def test_where_none_is_good_the_best_is_used_with_a_warning(acted):
    voice, actor = acted(lambda call, row, n: (skipping(n), call == 1))
    speech = voice.speak(TEXT, retries=2)
    assert len(actor.calls) == 3
    assert speech.sentences[0].stopped
    (warning,) = speech.warnings
    assert "skipped: fade, bad." in warning


def test_only_the_lines_that_failed_are_tried_again(acted):
    voice, actor = acted(lambda call, row, n: (straight(n) if row or call else skipping(n), True))
    speech = voice.speak(f"{TEXT} {TEXT} {TEXT}")
    assert [len(call) for call in actor.calls] == [1, 1, 2]
    assert [sentence.tries for sentence in speech.sentences] == [2, 1, 1]


def test_lost_attention_is_not_tried_again(acted):
    """A voice that is not aligned would only take three times as long."""
    voice, actor = acted(lambda call, row, n: (None, True))
    (sentence,) = voice.speak(TEXT).sentences
    assert sentence.take.lost and len(actor.calls) == 1


def test_babble_after_the_end_is_cut(acted):
    voice, _ = acted(lambda call, row, n: (straight(n), False))
    (sentence,) = voice.speak(TEXT, retries=0).sentences
    assert not sentence.stopped
    assert sentence.mel.shape[1] < 2 * 2 * sentence.alignment.shape[1] + 40
    assert len(sentence.alignment) == -(-sentence.mel.shape[1] // 2)


def test_lines_share_batches_and_come_in_order(acted):
    voice, actor = acted(lambda call, row, n: (straight(n), True))
    texts = ["Bad day.", "???", "Cake. A bee.", "{ZZ}", *["Fade."] * 9]
    results = list(voice.speak_all(texts))
    assert [len(call) for call in actor.calls] == [1, 8, 3]
    assert [isinstance(result, TextError) for result in results[:5]] == [0, 1, 0, 1, 0]
    assert [s.text for s in results[2].sentences] == ["Cake.", "A bee."]
    assert all(len(result.sentences) == 1 for result in results[4:])


def test_a_text_is_streamed_while_the_rest_is_still_to_come(acted):
    voice, actor = acted(lambda call, row, n: (straight(n), True))
    stream = voice.stream("Cake. " * 30)
    assert next(stream).text == "Cake." and len(actor.calls) == 1
    assert next(stream).text == "Cake." and len(actor.calls) == 2
    assert len(list(stream)) == 28


def test_the_stream_joined_is_the_speech(voice):
    sentences = list(voice.stream("Bad day. Cake! Fade.", max_seconds=0.2))
    rate = 22_050
    joined = torch.cat(
        [p for s in sentences for p in (s.waveform, torch.zeros(round(s.pause_seconds * rate)))]
    )
    seen = []
    speech = voice.speak("Bad day. Cake! Fade.", max_seconds=0.2, on_sentence=seen.append)
    assert torch.equal(speech.waveform, joined)
    assert [sentence.text for sentence in seen] == [sentence.text for sentence in sentences]


def test_nothing_clicks_where_pieces_meet(acted):
    voice, _ = acted(lambda call, row, n: (straight(n), True))
    speech = voice.speak(" ".join(["Fade cab bad."] * 6))
    place = 0
    for sentence in speech.sentences:
        for edge in (place, place + len(sentence.waveform)):
            around = speech.waveform[max(0, edge - 3) : edge + 3]
            assert around.diff().abs().max() < 0.01
        assert sentence.waveform.diff().abs().max() > 0.02  # which is noise, and loud
        place += len(sentence.waveform) + round(sentence.pause_seconds * 22_050)
    assert place == len(speech.waveform)


def test_a_long_text_keeps_no_pictures(acted):
    voice, _ = acted(lambda call, row, n: (straight(n), True))
    text = "Fade cab bad. " * 150
    kept = []
    dropped = voice.speak(text, on_sentence=lambda s: kept.append(s.alignment is None))
    assert all(s.mel is None and s.alignment is None for s in dropped.sentences)
    assert not any(kept)
    assert voice.speak("Fade.").sentences[0].mel is not None
    assert voice.speak("Fade.", keep=False).sentences[0].mel is None


def test_a_long_sentence_is_cut_to_what_the_voice_has_learnt(trained_run):
    voice = Voice(trained_run.run.folder)
    limit = max(40, load_checkpoint(trained_run.run.best_model).longest_text)
    lines = voice.speak("beck " * 30, max_seconds=0.1).sentences
    assert len(lines) > 2
    assert all(n_symbols(line) <= limit for line in lines)
    shorter = Voice(trained_run.run.folder, max_symbols=12).speak("beck " * 6, max_seconds=0.1)
    assert len(shorter.sentences) == 3


# Ways of speaking


def test_faster_is_shorter_by_so_much(acted):
    voice, _ = acted(lambda call, row, n: (straight(n), True))
    usual, fast = (voice.speak(TEXT, speed=speed).sentences[0] for speed in (1.0, 1.25))
    assert fast.mel.shape[1] == round(usual.mel.shape[1] / 1.25)
    assert len(fast.waveform) == pytest.approx(len(usual.waveform) / 1.25, rel=0.05)


def test_speed_keeps_the_pitch(voice):
    mel = torch.full((80, 200), -11.0)
    mel[20] = 0.0
    slow = at_speed(mel, 0.5)
    assert slow.shape == (80, 400) and torch.allclose(slow[20], torch.zeros(400))
    assert torch.allclose(slow[21], torch.full((400,), -11.0))
    assert at_speed(mel, 1.0) is mel


@pytest.mark.parametrize(
    "how",
    [{"best_of": 0}, {"speed": 3.0}, {"pause": -1.0}, {"retries": -1}, {"speed": float("nan")}],
)
def test_ways_that_cannot_be(how):
    with pytest.raises(SpeechOptionsError, match=f"{next(iter(how))} is .* it can be"):
        SpeechOptions(**how)


def test_a_style_is_a_sign_before_the_text(voice, acted, trained_run, monkeypatch):
    checkpoint = load_checkpoint(trained_run.run.best_model)
    assert "☻" not in checkpoint.seen_symbols and "@EY1" in checkpoint.seen_symbols
    speech = voice.speak("[happy] Cake.", max_seconds=0.1)
    assert any("not trained on the style Happy" in note for note in speech.warnings)
    monkeypatch.setattr("ponytaco.checkpoint.importing.verified_checkpoint", older_checkpoint)
    voice, actor = acted(lambda call, row, n: (straight(n), True))
    voice.speak("[happy] Cake.")
    assert checkpoint.symbols[actor.calls[0][0][0]] == "☻"


def older_checkpoint(path):
    """Of a version that did not know which symbols it has seen."""
    checkpoint = load_checkpoint(path)
    checkpoint.seen_symbols, checkpoint.longest_text = [], 0
    return checkpoint


def test_a_users_dictionary_comes_before_the_characters(trained_run, tmp_path):
    (tmp_path / "one.txt").write_text("PONY  B EY1\nFADE  F\n")
    (tmp_path / "two.txt").write_text("FADE  F EY1 D D D\nDAY(2)  D\n")
    voice = Voice(trained_run.run.folder, dictionaries=[tmp_path / "one.txt", tmp_path / "two.txt"])
    speech = voice.speak("Pony fade {AE1 AE1 AE1} day bad beck.", max_seconds=0.1)
    assert n_symbols(speech.sentences[0]) == 2 + 1 + 3 + 1 + 3 + 4 + 6  # the spaces and the mark
    assert speech.spelled == ["beck"]
    (tmp_path / "two.txt").write_text("FADE  F\nBAD  QQ\n")
    voice = Voice(trained_run.run.folder, dictionaries=[tmp_path / "two.txt"])
    assert any("Skipped: two.txt, line 2" in note and "'QQ'" in note for note in voice.notes)
    (tmp_path / "two.txt").write_text("FADE  FF\nBAD  QQ\n")
    with pytest.raises(LexiconError, match=r"two.txt, line 1: .* line 2: 'QQ'"):
        Voice(trained_run.run.folder, dictionaries=[tmp_path / "two.txt"])


def test_a_vocoder_may_be_any_function(trained_run):
    voice = Voice(trained_run.run.folder, vocoder=lambda mel: torch.ones(1, 256 * mel.shape[2]))
    speech = voice.speak("Cake.", max_seconds=0.5)
    assert len(speech.waveform) == 256 * speech.sentences[0].mel.shape[1]
    with pytest.raises(VocoderError, match="griffin_lim"):
        Voice(trained_run.run.folder, vocoder="harmonica")


def test_a_report_is_json(voice):
    speech = voice.speak("Cake. [the bee] Pony!", max_seconds=0.2, best_of=2, retries=0)
    report = json.loads(json.dumps(speech.report()))
    assert report["seconds"] == pytest.approx(speech.seconds, abs=0.001)
    assert report["spelled"] == ["the", "pony"] and "the bee" in report["notes"][0]
    first, second = report["pieces"]
    assert first["text"] == "Cake." and first["tries"] == 2 and first["seed"] == 1234
    assert set(first["scores"]) >= {"focus", "coverage", "forward"}
    assert first["warnings"] and second["pause_seconds"] == 0


# Which voice


def test_the_best_model_speaks_and_else_the_newest(trained_run, tmp_path):
    run = Run(shutil.copytree(trained_run.run.folder, tmp_path / "run"))
    assert Voice(run.folder).path == run.best_model
    run.best_model.unlink()
    voice = Voice(run.folder)
    assert (voice.path, voice.step) == (run.current_model, 60)
    assert Voice(run.current_model).step == 60


def test_a_damaged_best_model_lets_the_next_one_speak(trained_run, tmp_path):
    run = Run(shutil.copytree(trained_run.run.folder, tmp_path / "run"))
    content = run.best_model.read_bytes()
    run.best_model.write_bytes(content[: len(content) // 2])
    voice = Voice(run.folder)
    assert voice.path == run.current_model
    assert "best_model" in voice.notes[0] and "current_model speaks instead" in voice.notes[1]
    with pytest.raises(CheckpointError, match="best_model.*Give the run"):
        Voice(run.best_model)
    for path in (run.current_model, *run.saves.glob("step*")):
        path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="best_model.*The other saves.*Copy the folder"):
        Voice(run.folder)


def test_a_folder_without_a_voice_is_said(tmp_path):
    with pytest.raises(RunError, match="ponytaco train") as error:
        Voice(tmp_path)
    assert "\n" not in str(error.value)


def test_a_voice_that_is_not_there_is_said(tmp_path):
    with pytest.raises(RunError, match="nothing at .*nobody"):
        Voice(tmp_path / "nobody")
