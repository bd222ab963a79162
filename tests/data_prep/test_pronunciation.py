import numpy as np
import pytest
import soundfile

from data_prep import pronunciation
from data_prep.dataset_writer import prepare
from data_prep.labels import Label
from data_prep.pronunciation import pronounce
from data_prep.recordings import pack
from data_prep.transcripts import transcribe
from ponytaco.text import pronouncer
from ponytaco.text.lexicon import Lexicon

WORDS = {
    "hello": "HH AH0 L OW1", "pony": "P OW1 N IY0", "two": "T UW1", "cake": "K EY1 K",
    "mister": "M IH1 S T ER0",
}  # fmt: skip


@pytest.fixture
def dictionary(monkeypatch):
    lexicon = Lexicon({word: tuple(phones.split()) for word, phones in WORDS.items()})
    monkeypatch.setattr(pronunciation, "installed_dictionary", lambda: lexicon)
    monkeypatch.setattr(pronouncer, "installed_dictionary", lambda: lexicon)
    pronunciation._pronouncer.cache_clear()
    yield
    pronunciation._pronouncer.cache_clear()


@pytest.mark.parametrize(
    ("text", "arpabet"),
    [
        ("Hello, pony!", "{HH AH0 L OW1}, {P OW1 N IY0}!"),
        ("2 cakes – Mr. Cake’s.", "{T UW1} {K EY1 K S} - {M IH1 S T ER0} {K EY1 K S}."),
        ("Pony {AA1} hello", "{P OW1 N IY0} {AA1} {HH AH0 L OW1}"),
        ("2 cake cake cake blorp", "{T UW1} {K EY1 K} {K EY1 K} {K EY1 K} {B L AO1 R P}"),
    ],
)  # fmt: skip
def test_english_is_pronounced(dictionary, text, arpabet):
    assert pronounce(text)[0] == arpabet
    assert transcribe(Label(text)).arpabet == arpabet


def test_the_words_are_for_the_lexicon(dictionary):
    words = dict(pronounce("Hello, 2 cakes hello {AA1}!")[1])
    assert words == {
        "HELLO": ("HH", "AH0", "L", "OW1"), "TWO": ("T", "UW1"), "CAKES": ("K", "EY1", "K", "S"),
    }  # fmt: skip


@pytest.mark.parametrize("text", ["Hola, pony bonito", "Привет", "", "?!", "{AA1}"])
def test_other_languages_are_not(dictionary, text):
    assert pronounce(text) == ("", ())


def test_nothing_is_without_a_dictionary():
    assert pronounce("Hello") == ("", ())


def test_recordings_are_prepared_again_once_there_is_a_dictionary(tmp_path, request):
    folder, archive, out = tmp_path / "in", tmp_path / "Me.tar", tmp_path / "Me"
    folder.mkdir()
    for name, hertz in (("a", 200), ("b", 300)):
        wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000)
        soundfile.write(folder / f"{name}.wav", wave, 16_000)
        (folder / f"{name}.txt").write_text("Hello two pony cake")
    pack(folder, archive, "Me")
    without = prepare(archive, out, progress=False)
    assert without.report["with_arpabet"] == 0 and not without.report["dictionary"]
    assert not prepare(archive, out, progress=False).fresh
    request.getfixturevalue("dictionary")
    again = prepare(archive, out, progress=False)
    assert again.fresh and again.report["with_arpabet"] == 2
    assert "{HH AH0 L OW1} {T UW1}" in (out / "train.txt").read_text()
    assert "HELLO  HH AH0 L OW1" in (out / "lexicon.txt").read_text()
    assert not prepare(archive, out, progress=False).fresh
