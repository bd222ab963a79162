import importlib.util
import io
import json
import tarfile
import time

import numpy as np
import pytest
import soundfile

from data_prep.demo import espeak
from data_prep.demo.espeak import speak, write_demo_archive
from data_prep.demo.grammar import VOCABULARY, DemoVoiceError, sentences, spoken_words

needs_voice = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None, reason="needs espeakng-loader"
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    pytest.importorskip("espeakng_loader")
    path = tmp_path_factory.mktemp("demo") / "Demo.tar"
    write_demo_archive(path, n_clips=6, seed=5)
    return path


@pytest.fixture(scope="module")
def clips(archive):
    """(samples, sample_rate, label) of each clip."""
    read = []
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        for name in names:
            if name.endswith("label.json"):
                label = json.load(tar.extractfile(name))
                audio = tar.extractfile(name.replace("label.json", "audio.wav")).read()
                read.append((*soundfile.read(io.BytesIO(audio)), label))
    return read


def test_a_word_outside_the_vocabulary_is_named():
    with pytest.raises(DemoVoiceError, match="'zebra'"):
        speak(["My zebra found your basket."])


def test_numbers_of_clips_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(DemoVoiceError, match="at least one"):
        write_demo_archive(tmp_path / "Demo.tar", n_clips=0)
    with pytest.raises(DemoVoiceError, match="no words to speak"):
        speak([""])


def test_a_missing_synthesiser_is_explained(monkeypatch, tmp_path):
    monkeypatch.setattr(espeak.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DemoVoiceError, match=r"pip install .ponytaco\[demo\]"):
        write_demo_archive(tmp_path / "Demo.tar", n_clips=1)
    assert not list(tmp_path.iterdir())


@needs_voice
def test_the_archive_holds_the_sentences(clips):
    assert [label["utterance"]["content"] for *_, label in clips] == sentences(6, seed=5)
    for samples, sample_rate, label in clips:
        assert sample_rate == 22_050
        assert label["utterance"]["episode_interval"] == [0, len(samples) / sample_rate]
        assert 0.05 < np.abs(samples).max() < 1


@needs_voice
def test_words_and_phones_are_those_of_the_vocabulary(clips):
    for *_, label in clips:
        words = [word["content"] for word in label["words"]]
        assert words == spoken_words(label["utterance"]["content"])
        phones = [phone["content"] for phone in label["phones"]]
        assert phones[0] == phones[-1] == "sil"
        spelled = [phone for word in words for phone in VOCABULARY[word]]
        assert [phone for phone in phones if phone not in ("sil", "sp")] == spelled


@needs_voice
def test_phones_fill_the_clip_and_words_begin_and_end_with_their_phones(clips):
    for samples, sample_rate, label in clips:
        bounds = [phone["interval"] for phone in label["phones"]]
        assert bounds[0][0] == 0
        assert bounds[-1][1] == pytest.approx(len(samples) / sample_rate, abs=1e-4)
        for (start, end), (next_start, _) in zip(bounds, bounds[1:], strict=False):
            assert start < end == next_start
        sounding = iter([p for p in label["phones"] if p["content"] not in ("sil", "sp")])
        for word in label["words"]:
            phones = [next(sounding) for _ in VOCABULARY[word["content"]]]
            assert word["interval"] == [phones[0]["interval"][0], phones[-1]["interval"][1]]


@needs_voice
def test_words_sound_and_silences_do_not(clips):
    def loudness(samples, sample_rate, interval):
        start, end = (round(second * sample_rate) for second in interval)
        return np.sqrt(np.mean(samples[start:end] ** 2))

    for samples, sample_rate, label in clips:
        words = [loudness(samples, sample_rate, word["interval"]) for word in label["words"]]
        silences = [
            loudness(samples, sample_rate, phone["interval"])
            for phone in label["phones"]
            if phone["content"] in ("sil", "sp")
        ]
        assert min(words) > 5 * max(silences)


@needs_voice
def test_the_same_seed_gives_the_same_bytes(archive, tmp_path):
    # espeak-ng's noise would be seeded by the clock's second, so let another one begin.
    time.sleep(1.1)
    write_demo_archive(tmp_path / "again.tar", n_clips=6, seed=5)
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


@pytest.mark.slow
@needs_voice
def test_a_recogniser_understands_the_voice():
    pytest.importorskip("pocketsphinx")
    from ponytaco.evaluation.asr import word_grammar_recogniser
    from ponytaco.metrics.wer import word_error_rate

    recogniser = word_grammar_recogniser(VOCABULARY)
    pairs = [
        (spoken_words(clip.text), recogniser.transcribe(clip.waveform, clip.sample_rate))
        for clip in speak(sentences(15, seed=90_210))
    ]
    assert word_error_rate(pairs) <= 0.20


@needs_voice
def test_another_speaker_says_the_same_with_another_voice(archive, tmp_path):
    write_demo_archive(tmp_path / "other.tar", n_clips=6, seed=5, voice="en-us+m3")

    def labels_and_sound(path):
        with tarfile.open(path) as tar:
            read = {name: tar.extractfile(name).read() for name in tar.getnames()}
        labels = [json.loads(value) for name, value in read.items() if name.endswith("json")]
        return [label["utterance"]["content"] for label in labels], set(read.values())

    (texts, sound), (other_texts, other_sound) = map(
        labels_and_sound, (archive, tmp_path / "other.tar")
    )
    assert texts == other_texts
    assert not sound & other_sound
    with pytest.raises(DemoVoiceError, match="no voice xx-nobody.*en-us"):
        speak(["My dragon found your basket."], voice="xx-nobody")
