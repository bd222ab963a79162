import dataclasses
import json
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from support.full_disk import no_file_larger_than
from support.judges import EchoJudges

import ponytaco.evaluation.evaluate as scoring
import ponytaco.evaluation.speak as speaking
from ponytaco.checkpoint.format import load_checkpoint, save_checkpoint
from ponytaco.data.dataset_folder import FilelistError
from ponytaco.evaluation.evaluate import evaluate, summary
from ponytaco.evaluation.sentences import SENTENCES, SentencesError, read_sentences
from ponytaco.metrics.alignment import AlignmentScore
from ponytaco.metrics.attention_errors import Take
from ponytaco.runs.folder import Run, RunError
from ponytaco.vocoders.weights import VocoderError


class EchoListener:
    """Hears the first word of what it was told to expect, wherever it listens."""

    name = "an echo"

    def __init__(self, words, lexicon):
        self.words = words

    def also_for(self, words):
        return self

    def transcribe(self, waveform, sample_rate):
        assert waveform.dtype == np.float32 and waveform.ndim == 1
        return ["bad"]


def rising_pitch(waveform, sample_rate, hop_length):
    """A melody that rises all along, for pyin takes its time."""
    return np.linspace(100.0, 200.0, 1 + len(waveform) // hop_length)


@pytest.fixture(autouse=True, scope="module")
def nobody_waits_for_a_vocoder(hasty_vocoder):
    with hasty_vocoder():
        yield


@pytest.fixture
def run(trained_run, tmp_path):
    return Run(shutil.copytree(trained_run.run.folder, tmp_path / "run"))


@pytest.fixture
def sentences(tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_text("Bad day.\n\nBad {K EY1 K}.\n…\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def found(trained_run, fake_dataset, tmp_path_factory):
    """One evaluation, with a listener; not to be changed."""
    folder = tmp_path_factory.mktemp("evaluated")
    run = Run(shutil.copytree(trained_run.run.folder, folder / "run"))
    path = folder / "sentences.txt"
    path.write_text("Bad day.\n\nBad {K EY1 K}.\n…\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "SpeechRecogniser", EchoListener)
        patch.setattr(scoring, "open_judges", lambda whisper: EchoJudges())
        patch.setattr(speaking, "pitch", rising_pitch)
        return evaluate(run, sentences=path, device="cpu")


def test_the_report_holds_numbers_of_clips_and_sentences(found):
    content = json.loads(found.report.read_text(encoding="utf-8"))
    assert found.report.name == "report.json" and found.page.name == "report.html"
    assert set(content) == {
        "format", "run", "step", "first_aligned", "vocoder", "recogniser", "new_recogniser",
        "ceiling", "validation", "clips", "new", "notes",
    }  # fmt: skip
    assert (content["format"], content["run"], content["recogniser"]) == (2, "run", "an echo")
    assert content["clips"]["n"] == 3 and content["new"]["n"] == 2
    assert content["ceiling"]["clips"] == 14  # all there are
    names = {
        "name", "text", "seconds", "alignment", "stop_error", "skipped", "repeated", "said",
        "heard", "real_heard", "errors", "mel_cepstral_distortion_db", "length",
        "pitch_correlation", "opinion", "not_understood",
    }  # fmt: skip
    for group in ("clips", "new"):
        assert all(set(text) == names for text in content[group]["texts"])
    clip, sentence = content["clips"]["texts"][0], content["new"]["texts"][0]
    assert (
        clip["mel_cepstral_distortion_db"] > 0
        and clip["length"] > 0
        and clip["real_heard"] == ["bad"]
    )
    assert clip["pitch_correlation"] > 0.5  # both rise all along
    assert sentence["mel_cepstral_distortion_db"] is None and sentence["said"] == ["bad", "day"]
    assert (sentence["heard"], sentence["errors"]) == (["bad"], 1)


def test_the_judges_figures_stand_beside_those_of_the_clips(found):
    content = json.loads(found.report.read_text(encoding="utf-8"))
    assert content["new"]["understood"] == 0.5  # 'bad' of 'bad day'; phones count for no words
    assert content["new"]["mos"] == content["ceiling"]["mos"] == 2.0
    assert 0.9 < content["new"]["likeness"] <= 1.0001
    assert content["new"]["texts"][0]["opinion"]["heard"] == ["bad"]
    (sentence,) = (s for s in summary(found.results) if "new sentences" in s)
    share = f"{100 * content['ceiling']['understood']:.0f} %"
    assert f"50 % of words understood (the clips: {share}), MOS 2.0 (2.0)" in sentence
    page = found.page.read_text(encoding="utf-8")
    assert "To trained judges: 50 % of words understood" in page
    assert "<h3>Words understood</h3>" in page and "<h3>Likeness</h3>" in page
    assert "1 of 2 words not understood" in page


def test_without_judges_one_sentence_tells_what_to_install(run, sentences, monkeypatch):
    monkeypatch.setattr(scoring, "SpeechRecogniser", EchoListener)
    log = []
    results = evaluate(run, sentences=sentences, device="cpu", quick=True, log=log.append).results
    (told,) = (s for s in log if "pip install --no-deps" in s)
    assert told in results.notes and "whisper" not in " ".join(summary(results)).lower()
    assert results.new.verdict.beside(results.clips_verdict) == ""


def test_words_in_braces_are_spoken_but_nobody_can_write_them(found):
    second = found.results.new.results[1]
    assert second.text == "Bad {K EY1 K}." and second.heard is None and second.said == []


def test_what_cannot_be_spoken_is_noted(found):
    (note,) = [note for note in found.results.notes if "left out" in note]
    assert note.startswith("3 ")


def test_the_page_plays_every_text_and_the_recordings(found):
    page = found.page.read_text(encoding="utf-8")
    assert page.count("<audio") == 2 * 3 + 2
    assert "http" not in page.replace("http-equiv", "")  # nothing from elsewhere
    assert "bad day" in page.lower()


def test_the_summary_says_it_in_sentences(found):
    said = " ".join(summary(found.results))
    assert "3 validation clips" in said and "2 new sentences" in said
    assert "14 real clips" in said and "dB" in said


def test_it_finds_what_the_training_found(found, trained_run):
    """The same clips, the same seed: the same score, whatever was computed in between."""
    result = found.results.validation
    (trained,) = [v for v in trained_run.validations if v.step == result.step]
    assert result.loss == pytest.approx(trained.loss, rel=1e-6)
    assert result.free == trained.free and result.score == pytest.approx(trained.score)


def test_without_a_recogniser_it_says_what_is_missing(run, sentences, monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    said = []
    result = evaluate(run, sentences=sentences, device="cpu", quick=True, log=said.append)
    assert any("ponytaco[evaluate]" in sentence for sentence in said)
    assert result.results.ceiling is None and result.results.new.word_error_rate is None
    page = result.page.read_text(encoding="utf-8")
    assert "ponytaco[evaluate]" in page and "Words misheard</h3>" not in page
    # quick: no melody
    assert all(text.pitch_correlation is None for text in result.results.clips.results)


def quietly(run, *args, **kwargs):
    """Evaluate with as little as possible spoken."""
    return evaluate(run, *args, device="cpu", quick=True, **kwargs)


def test_other_clips_and_the_newest_model(run, sentences, tmp_path, fake_dataset, monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    folder = shutil.copytree(fake_dataset, tmp_path / "data")
    lines = (folder / "val.txt").read_text().splitlines()
    (folder / "val.txt").write_text(lines[0] + "\n")
    run.best_model.unlink()
    results = quietly(run, folder, sentences=sentences).results
    assert len(results.clips.results) == 1 and results.step == 60


@pytest.mark.parametrize("recorded", ["gone", ""])
def test_clips_that_moved_are_asked_for(run, recorded):
    checkpoint = load_checkpoint(run.best_model)
    checkpoint.dataset = recorded and str(run.folder / recorded)
    save_checkpoint(run.best_model, checkpoint)
    with pytest.raises(FilelistError, match="--data"):
        quietly(run)
    assert not (run.folder / "evaluation").exists()


def test_a_folder_without_a_voice_is_said(tmp_path, fake_dataset):
    with pytest.raises(RunError, match="no trained voice"):
        quietly(Run(tmp_path), fake_dataset)


def test_an_unknown_vocoder_is_said(run):
    with pytest.raises(VocoderError, match="griffin_lim"):
        quietly(run, vocoder="wavenet")


def test_a_report_that_cannot_be_written_leaves_the_last_one(found):
    before = found.report.read_bytes(), found.page.read_bytes()
    run = Run(found.page.parents[1])
    with pytest.raises(RunError), no_file_larger_than(50):
        scoring._write(found.results, run, run.evaluation_report)
    assert (found.report.read_bytes(), found.page.read_bytes()) == before
    assert not [p for p in found.page.parent.iterdir() if p.name.startswith(".")]


class ListOfWords(EchoListener):
    """Hears what it was made for only, and remembers how often it listened."""

    def __init__(self, words, lexicon):
        super().__init__(words, lexicon)
        self.name = f"a list of {len(words)} words"
        self.listened = 0

    def also_for(self, words):
        return self if self.words >= set(words) else ListOfWords(self.words | set(words), None)

    def transcribe(self, waveform, sample_rate):
        self.listened += 1
        return sorted(self.words)[:1]


def test_new_words_change_nothing_about_how_clips_are_heard(run, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "SpeechRecogniser", ListOfWords)
    known, strange = tmp_path / "known.txt", tmp_path / "strange.txt"
    known.write_text("Bad day.\n")
    strange.write_text("Aardvarks play.\n")
    said = []
    first = quietly(run, sentences=known, log=said.append).results
    assert (
        first.recogniser == first.new_recogniser
        and f"{first.recogniser.capitalize()} listens." in said
    )
    assert not any("recognised by" in sentence for sentence in said)
    second = quietly(run, sentences=strange, log=said.append).results
    assert second.recogniser == first.recogniser != second.new_recogniser
    assert [c.heard for c in second.clips.results] == [c.heard for c in first.clips.results]
    assert [c.real_heard for c in second.clips.results] == [["add"]] * 3
    assert second.new.results[0].heard == ["aardvarks"]
    assert any(second.new_recogniser in sentence and "real clips" in sentence for sentence in said)
    assert second.ceiling != first.ceiling  # by the one who hears aardvarks everywhere


def test_a_first_look_leaves_the_full_report_alone(run, sentences, monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    run.evaluation.mkdir()
    run.evaluation_report.write_text("full")
    found = quietly(run, sentences=sentences)
    assert run.evaluation_report.read_text() == "full"
    assert (found.report.name, found.page.name) == ("quick.json", "quick.html")
    assert json.loads(found.report.read_text())["new"]["n"] == 2


def test_it_tells_how_far_it_is(run, sentences, monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    monkeypatch.setattr(speaking, "_SECONDS_BETWEEN_REPORTS", -1.0)
    said = []
    quietly(run, sentences=sentences, log=said.append)
    # Three clips, and three sentences of which one is a mark.
    assert [s for s in said if s.startswith("  ")] == [f"  {n} of 3" for n in (0, 1, 2)] * 2


def test_sentences_that_the_voice_cannot_read_are_counted(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    checkpoint = load_checkpoint(run.best_model)
    checkpoint.seen_symbols = [s for s in checkpoint.seen_symbols if not s.isalpha()]
    save_checkpoint(run.best_model, checkpoint)
    (tmp_path / "new.txt").write_text("Bad day.\nBad zebra.\n")
    said = []
    found = quietly(run, sentences=tmp_path / "new.txt", log=said.append)
    (note,) = [note for note in found.results.notes if "cannot read" in note]
    assert note.startswith("1 of 2 texts") and note in said


# Sentences


def test_our_sentences_are_many_and_plain():
    assert len(set(SENTENCES)) == len(SENTENCES) == 50
    assert all(s[-1] in ".?!" and s[0].isupper() and 4 <= len(s.split()) <= 13 for s in SENTENCES)


def test_sentences_of_a_file(tmp_path):
    path = tmp_path / "s.txt"
    path.write_bytes("\ufeffOne.\r\n\r\n  Two. \n".encode())
    assert read_sentences(path) == ["One.", "Two."]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\n \n", "no sentences"), (b"\xff\xfe\x00", "UTF-8"), (b"a" * 2**21, "1 MB"),
     (None, "Cannot read")],
)  # fmt: skip
def test_a_file_without_sentences_is_said(tmp_path, content, said):
    path = tmp_path / "s.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SentencesError, match=said):
        read_sentences(path)


# Following words


def spoken(words, **take):
    score = AlignmentScore(**{**{f.name: 1.0 for f in dataclasses.fields(AlignmentScore)},
                              "focus": take.pop("focus", 0.9)})  # fmt: skip
    return SimpleNamespace(words=tuple(words.split()), take=Take(score, True, **take))


def test_skipped_unread_and_repeated_words_are_named():
    sentences = [
        spoken("bad bee", skipped=(1,)),
        spoken("day go on", repeated=(0,), unread=(1, 2)),
    ]
    assert speaking._skipped_and_repeated(sentences) == (["bee", "go", "on"], ["day"])


def test_nothing_is_counted_where_attention_is_lost():
    assert speaking._skipped_and_repeated([spoken("bad bee"), spoken("day", focus=0.1)]) == (
        None,
        None,
    )


def test_results_are_immutable_values(found):
    first = found.results.clips.results[0]
    assert replace(first, heard=[]).errors == len(first.said)
