import pytest

from ponytaco.text.lexicon import (
    LexiconError,
    PronunciationError,
    check_braces,
    read_dictionary,
)


def dictionary(tmp_path, content, name="mine.txt"):
    path = tmp_path / name
    path.write_bytes(content.encode())
    return read_dictionary(path)


# Braces


def test_good_braces_pass():
    assert check_braces("a {hh AH0\n  L} b {AA1}") == "a {hh AH0 L} b {AA1}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{HH AW9 QQ}", r"'AW9' is not an ARPAbet phone; its stress is 0, 1 or 2: AW0, AW1, AW2"),
        ("{HH1 AH0}", "'HH1' is not an ARPAbet phone; only vowels have a stress, so write HH"),
        ("{HH QQ}", "'QQ' is not an ARPAbet phone; the phones are AA, AE"),
        ("{CHH}", "'CHH' is not an ARPAbet phone; did you mean HH or CH"),
        ("{cake}", "'cake' is not an ARPAbet phone"),
        ("{}", "Braces are empty"),
        ("Say {HH AH0 L now", "not closed: '{HH AH0 L now'"),
        ("Say HH AH0} now", r"not opened: 'Say HH AH0}'"),
        ("a {AA1 {AA1} b}", "not closed"),
    ],
)
def test_bad_braces_are_refused_and_the_phone_is_named(text, said):
    with pytest.raises(PronunciationError, match=said) as error:
        check_braces(text)
    assert "\n" not in str(error.value)


# Dictionaries


def test_a_users_dictionary_in_all_its_forms(tmp_path):
    lexicon = dictionary(
        tmp_path,
        ";;; mine\n  ;;; indented\n# a note\n#HASH-MARK  HH AE1 SH\n\n"
        "Celestia  s ah0 l EH1 s t iy0 ah0\r\nCELESTIA(2)  S EH0\ntab\tT AE1 B # why not\n",
    )
    assert lexicon.lookup("celestia") == ("S", "AH0", "L", "EH1", "S", "T", "IY0", "AH0")
    assert lexicon.lookup("#hash-mark") == ("HH", "AE1", "SH")
    assert lexicon.lookup("TAB") == ("T", "AE1", "B")
    assert len(lexicon.entries) == 3


def test_apostrophes_of_any_kind_are_one(tmp_path):
    lexicon = dictionary(tmp_path, "Pony’s  P\nIsn't  IH1\n")
    assert lexicon.lookup("PONY'S") == lexicon.lookup("pony’s") == ("P",)
    assert lexicon.lookup("isn’t") == ("IH1",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("A  AH0\n\nB  B IY7\n", r"mine.txt, line 3: 'B IY7' is not ARPAbet: 'IY7' is not"),
        ("WORD\n", "line 1: '' is not ARPAbet: there are no phones"),
        (";;; nothing\n", "has no words"),
        ("\0\0\0", "line 1: '' is not ARPAbet"),
    ],
)
def test_a_bad_dictionary_is_refused(tmp_path, content, said):
    with pytest.raises(LexiconError, match=said):
        dictionary(tmp_path, content)
