import numpy as np
import pytest

from data_prep.alignment.aligner import BEAMS, Aligner
from data_prep.alignment.pool import LEAST_SCORE, pcm16_16khz
from data_prep.alignment.words import Speller
from data_prep.labels import Interval

TOLERANCE_SECONDS = 0.02  # of the median


@pytest.fixture(scope="module")
def aligner():
    return Aligner()


def align(aligner, sentence, text=None):
    samples = pcm16_16khz(sentence.waveform, sentence.sample_rate)
    return aligner.align(samples, Speller().words(text or sentence.text))


def spoken_phones(phones):
    return [phone for phone in phones if phone.content not in ("sil", "sp")]


def test_times_are_those_of_the_synthesiser(aligner, spoken, dictionary):
    late = []
    for sentence in spoken:
        found = align(aligner, sentence)
        ours, given = (spoken_phones(phones) for phones in (found.phones, sentence.phones))
        # With the dictionary's stresses.
        assert [p.content for p in ours] == [p.content for p in given]
        assert [w.content for w in found.words] == [w.content for w in sentence.words]
        late += [our.start - their.start for our, their in zip(ours, given, strict=True)]
    assert np.median(np.abs(late)) < TOLERANCE_SECONDS
    assert abs(np.median(late)) < TOLERANCE_SECONDS / 2


def test_phones_fill_the_clip_and_words_hold_theirs(aligner, spoken, dictionary):
    sentence = spoken[0]
    found = align(aligner, sentence)
    seconds = len(sentence.waveform) / sentence.sample_rate
    assert found.phones[0].start == 0 and found.phones[-1].end == pytest.approx(seconds, abs=0.02)
    for before, after in zip(found.phones, found.phones[1:], strict=False):
        assert before.end == after.start and before.end >= before.start
    assert found.phones[0].content == found.phones[-1].content == "sil"
    starts = {phone.start for phone in found.phones}
    assert all(isinstance(word, Interval) and word.start in starts for word in found.words)


def test_a_clip_without_any_silence_is_aligned(aligner, spoken, dictionary):
    sentence = spoken[1]
    rate = sentence.sample_rate
    first, last = sentence.words[0].start, sentence.words[-1].end
    cut = sentence.waveform[round(first * rate) : round(last * rate)]
    found = aligner.align(pcm16_16khz(cut, rate), Speller().words(sentence.text))
    late = [
        our.start - their.start + first
        for our, their in zip(found.words, sentence.words, strict=True)
    ]
    assert np.median(np.abs(late)) < TOLERANCE_SECONDS


def test_a_wrong_text_scores_low(aligner, spoken, dictionary):
    right = [align(aligner, sentence) for sentence in spoken]
    wrong = [align(aligner, spoken[i], spoken[i - 1].text) for i in range(len(spoken))]
    assert min(found.score for found in right) > LEAST_SCORE
    assert all(found is None or found.score < LEAST_SCORE for found in wrong)


def test_of_several_pronunciations_the_spoken_one_is_found(aligner, spoken, dictionary):
    from data_prep.alignment.words import Word

    sentence = spoken[0]
    words = Speller().words(sentence.text)
    other = ("SH", "UW1", "SH", "UW1")
    doubtful = [Word(word.content, (other, *word.pronunciations, other)) for word in words]
    found = aligner.align(pcm16_16khz(sentence.waveform, sentence.sample_rate), doubtful)
    expected = [phone.content for phone in spoken_phones(sentence.phones)]
    assert [phone.content for phone in spoken_phones(found.phones)] == expected


def test_what_fails_is_tried_with_a_wider_beam(spoken, dictionary, monkeypatch):
    from data_prep.alignment import aligner as module

    tried = []

    class Decoder(module._Decoder):
        def __init__(self, sphinx, beam):
            super().__init__(sphinx, beam)
            self.beam = beam

        def __call__(self, samples, words):
            tried.append(self.beam)
            return [] if len(tried) == 1 else super().__call__(samples, words)

    monkeypatch.setattr(module, "_Decoder", Decoder)
    assert align(Aligner(), spoken[0]) is not None
    assert tried == list(BEAMS)


@pytest.mark.parametrize("seconds", [0.01, 0.1])
def test_too_little_sound_is_no_error(aligner, spoken, dictionary, seconds):
    samples = bytes(2 * round(16_000 * seconds))
    assert aligner.align(samples, Speller().words(spoken[0].text)) is None
