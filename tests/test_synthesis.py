import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ponytaco.training as training_module
from ponytaco.alignment import AlignmentScore
from ponytaco.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from ponytaco.config import preset
from ponytaco.run import Run, RunError
from ponytaco.synthesis import Sentence, Speech, Voice, split_sentences
from ponytaco.text import TextError
from ponytaco.training import train


@pytest.fixture(scope="module")
def voice(trained_run):
    return Voice(trained_run.run.folder)


def n_symbols(sentence):
    return sentence.alignment.shape[1]


# Sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Bad day.", ["Bad day."]),
        ("Bad day", ["Bad day"]),
        ("  Bad day.  ", ["Bad day."]),
        ("Bad day. A bee! Cake?", ["Bad day.", "A bee!", "Cake?"]),
        ("Bad day.  A bee", ["Bad day.", "A bee"]),
        ("Bad\nday", ["Bad", "day"]),
        ("Bad day.\r\n\r\nA bee.\n", ["Bad day.", "A bee."]),
        ('"Bad day." A bee.', ['"Bad day."', "A bee."]),
        ("“Bad day!” A bee.", ["“Bad day!”", "A bee."]),
        ("(Bad day.) A bee.", ["(Bad day.)", "A bee."]),
        ("Bad day?! A bee.", ["Bad day?!", "A bee."]),
        ("Bad day... A bee.", ["Bad day...", "A bee."]),
        ("Bad day… A bee.", ["Bad day…", "A bee."]),
        ("It is 3.5 or 1,000.25 cakes.", ["It is 3.5 or 1,000.25 cakes."]),
        ("{B AE1 D}. {D EY1}!", ["{B AE1 D}.", "{D EY1}!"]),
        ("Bad day. ...", ["Bad day."]),
        ("... \n --- \n", []),
        ("", []),
    ],
)
def test_sentences(text, sentences):
    assert split_sentences(text) == sentences


@given(st.text(alphabet="ab .!?…\n\"”')(,1", max_size=40))
def test_no_letter_is_lost_or_moved(text):
    pieces = split_sentences(text)
    assert "".join(c for piece in pieces for c in piece if c.isalnum()) == "".join(
        c for c in text if c.isalnum()
    )
    assert all(piece == piece.strip() and "\n" not in piece for piece in pieces)


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
    speech = voice.speak("Bad day. Cake! A bee.", max_seconds=0.3)
    first, second, third = (sentence.waveform for sentence in speech.sentences)
    pause = torch.zeros(22_050 // 4)
    expected = torch.cat([first, pause, second, pause, third])  # and none at the end
    assert torch.allclose(speech.waveform, expected)


def test_a_seed_is_a_way_of_speaking(voice):
    def speak(seed):
        return voice.speak("Bad day. Cake!", max_seconds=0.4, seed=seed).waveform

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
    # three phones, comma, space, three phones, full stop
    assert n_symbols(speech.sentences[0]) == 3 + 2 + 3 + 1
    assert speech.spelled == []


def test_words_the_lexicon_lacks_are_spelled_and_listed(voice):
    speech = voice.speak("Fade, Pony! {P OW1} pony isn't 2.", max_seconds=0.1)
    assert speech.spelled == ["pony", "isn't", "two"]
    assert n_symbols(speech.sentences[0]) == 3 + 2 + 4 + 1


def voice_of(dataset, folder, **settings):
    config = preset("tiny").replace(
        batch_size=4, max_steps=1, prenet_dim=8, attention_rnn_dim=8, decoder_rnn_dim=8,
        device="cpu", **settings,
    )  # fmt: skip
    train(dataset, Run(folder), config, say=lambda sentence: None)
    return Voice(folder)


def test_a_voice_of_letters_reads_letters(fake_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(training_module, "save_pictures", lambda *args: None)
    speech = voice_of(fake_dataset, tmp_path, p_arpabet=0.0).speak("Fade.", max_seconds=0.1)
    assert n_symbols(speech.sentences[0]) == len("fade.")
    assert speech.spelled == []


def test_a_voice_that_never_saw_phones_reads_letters(fake_dataset, tmp_path, monkeypatch):
    """The lists' third column may be missing while there is a lexicon."""
    monkeypatch.setattr(training_module, "save_pictures", lambda *args: None)
    folder = shutil.copytree(fake_dataset, tmp_path / "data")
    for name in ("train.txt", "val.txt"):
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("".join(line.rpartition("|")[0] + "\n" for line in lines))
    speech = voice_of(folder, tmp_path / "run").speak("Fade.", max_seconds=0.1)
    assert n_symbols(speech.sentences[0]) == len("fade.")


@pytest.mark.parametrize("text", ["", "   ", "\n", "?!", "☻", "{}", "..."])
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


def test_a_sentence_that_never_stops_is_cut_with_a_warning(voice):
    speech = voice.speak("Fade cab bee.", gate_threshold=1.0)
    (sentence,) = speech.sentences
    assert not sentence.stopped
    assert sentence.mel.shape[1] == max(200, 25 * n_symbols(sentence))
    assert any("'Fade cab bee.'" in w and "cut" in w for w in speech.warnings)


def test_a_short_text_has_room(voice):
    (sentence,) = voice.speak("Add.", gate_threshold=1.0).sentences
    assert sentence.mel.shape[1] == 200


@pytest.mark.parametrize("seconds", [0.01, 0.3, 1.0])
def test_the_limit_is_what_was_asked_for(voice, seconds):
    (sentence,) = voice.speak("Bad day.", gate_threshold=1.0, max_seconds=seconds).sentences
    assert sentence.mel.shape[1] == pytest.approx(seconds * 22_050 / 256, abs=1)
    assert torch.isfinite(sentence.waveform).all()


def test_a_gate_that_opens_ends_the_sentence(voice):
    speech = voice.speak("Bad day.", gate_threshold=0.0)
    (sentence,) = speech.sentences
    assert sentence.stopped and sentence.mel.shape[1] == 1
    assert not any("cut" in warning for warning in speech.warnings)


def test_a_text_that_was_not_read_through_is_said():
    good = AlignmentScore(0.9, 1.0, 1.0, 1.0, 0.1, 1.0)
    skipped = AlignmentScore(0.9, 0.5, 1.0, 1.0, 0.1, 1.0)
    unfinished = AlignmentScore(0.9, 1.0, 1.0, 1.0, 0.1, 0.0)
    nothing = np.zeros((1, 1), dtype=np.float32)
    sentences = [
        Sentence(name, torch.zeros(1), nothing, nothing, score, True)
        for name, score in (("good", good), ("skipped", skipped), ("unfinished", unfinished))
    ]
    warnings = Speech(torch.zeros(1), 22_050, sentences, []).warnings
    assert [warning.split("'")[1] for warning in warnings] == ["skipped", "unfinished"]


# Which voice


def test_the_best_model_speaks_and_else_the_newest(trained_run, tmp_path):
    run = Run(shutil.copytree(trained_run.run.folder, tmp_path / "run"))
    assert Voice(run.folder).path == run.best_model
    run.best_model.unlink()
    voice = Voice(run.folder)
    assert (voice.path, voice.step) == (run.current_model, 60)
    assert Voice(run.current_model).step == 60


def test_a_folder_without_a_voice_is_said(tmp_path):
    with pytest.raises(RunError, match="ponytaco train") as error:
        Voice(tmp_path)
    assert "\n" not in str(error.value)


def test_a_voice_that_is_not_there_is_said(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at .*nobody"):
        Voice(tmp_path / "nobody")
