import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponytaco.text.encode import clean, ctc_targets, ids_to_text, text_to_ids
from ponytaco.text.lexicon import Lexicon, LexiconError
from ponytaco.text.phones import in_braces, split_braces
from ponytaco.text.symbols import CTC_SYMBOLS, PHONES, SYMBOLS


def read(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "lexicon.txt"
    path.write_bytes(content.encode(encoding))
    return Lexicon.read(path)


@given(st.lists(st.sampled_from(PHONES), min_size=1))
def test_every_phone_survives_the_round_trip(phones):
    text = in_braces(phones)
    assert clean(text) == text
    ids = text_to_ids(text)
    assert [SYMBOLS[id_] for id_ in ids] == ["@" + phone for phone in phones]
    assert [CTC_SYMBOLS[id_] for id_ in ctc_targets(text)] == ["@" + phone for phone in phones]
    assert ids_to_text(ids) == text


def test_phones_in_lower_case_are_phones_too():
    assert clean("{hh ah0}") == "{HH AH0}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("say {not phones} now", "say not phones now"),
        ("{HH AH0 XX}", "hh ah zero xx"),
        ("it cost {12} dollars", "it cost twelve dollars"),
        ("a {AA1 b", "a aa one b"),
        ("a} b {} {AA1}", "a b {AA1}"),
        ("{a {AA1} b}", "a {AA1} b"),
        ("{@AA1}", "at aa one"),
    ],
)
def test_braces_without_arpabet_are_read_as_text(text, expected):
    assert clean(text) == expected


@given(st.text(alphabet="{}A H0b", max_size=30))
def test_splitting_loses_no_letter(text):
    pieces = "".join(str(piece) for piece in split_braces(text))
    for sign in "Hb0":
        assert pieces.upper().count(sign.upper()) == text.upper().count(sign.upper())


def test_lexicon_reads_cmudicts_form(tmp_path):
    lexicon = read(
        tmp_path,
        ";;; a comment\r\n\nHELLO  HH AH0 L OW1\r\nHELLO(1)  HH EH0 L OW1\n"
        "don't D OW1 N T # place, name\n",
    )
    assert lexicon.entries == {
        "hello": ("HH", "AH0", "L", "OW1"),
        "don't": ("D", "OW1", "N", "T"),
    }
    assert lexicon.lookup("Hello") == ("HH", "AH0", "L", "OW1")
    assert lexicon.lookup("DON’T") == ("D", "OW1", "N", "T")
    assert lexicon.lookup("pony") is None


def test_lexicon_reads_latin_1_as_cmudict_has_it(tmp_path):
    assert read(tmp_path, "DÉJÀ  D EY1 ZH AA2\n", "latin-1").lookup("déjà")


@pytest.mark.parametrize("line", ["HELLO", "HELLO HH QQ1"])
def test_lexicon_refuses_a_line_that_is_no_entry(tmp_path, line):
    with pytest.raises(LexiconError, match=r"lexicon.txt, line 2: .* is not ARPAbet"):
        read(tmp_path, f"A  AH0\n{line}\n")


def test_a_missing_lexicon_is_refused(tmp_path):
    with pytest.raises(LexiconError, match="Cannot read"):
        Lexicon.read(tmp_path / "none.txt")
