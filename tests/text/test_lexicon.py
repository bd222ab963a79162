import time

import pytest

from ponytaco.text.lexicon import (
    Lexicon,
    LexiconError,
    PronunciationError,
    check_braces,
    read_dictionary,
)


def dictionary(tmp_path, content, name="mine.txt"):
    path = tmp_path / name
    path.write_bytes(content.encode())
    return read_dictionary(path)


def read(tmp_path, content, said):
    path = tmp_path / "mine.txt"
    path.write_bytes(content.encode())
    return read_dictionary(path, said.append)


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
        ("A  AH7\n", r"mine.txt, line 1: 'AH7' is not ARPAbet: 'AH7' is not"),
        ("WORD\n", "line 1: 'WORD' is not ARPAbet: there are no phones"),
        (";;; nothing\n", "has no words"),
        ("\0\0\0", "has NUL characters"),
    ],
)
def test_a_dictionary_without_a_usable_line_is_refused(tmp_path, content, said):
    with pytest.raises(LexiconError, match=said):
        dictionary(tmp_path, content)


@pytest.mark.parametrize(
    "line",
    [
        "LUNA  L UW1 N AH0", "luna l uw1 n ah0", "LUNA\tL UW1 N AH0", "LUNA: L UW1 N AH0",
        "LUNA:L UW1 N AH0", "LUNA,L UW1 N AH0", "LUNA, L UW1 N AH0", "LUNA,L,UW1,N,AH0",
        "LUNA|L UW1 N AH0", "LUNA | L UW1 N AH0", "LUNA = L UW1 N AH0", "LUNA=L UW1 N AH0",
        "LUNA;L UW1 N AH0", "LUNA -> L UW1 N AH0", "LUNA - L UW1 N AH0", "LUNA  {L UW1 N AH0}",
        "LUNA|{L UW1 N AH0}", "LUNA{L UW1 N AH0}", "LUNA  /L UW1 N AH0/", '"LUNA": "L UW1 N AH0",',
        "LUNA  L UW1 - N AH0", "LUNA  @L @UW1 @N @AH0", "LUNA\t0.99\t0.12\t1.0\t1.0\tL UW1 N AH0",
        "LUNA 1.0 L UW1 N AH0", "LUNA\t1e-5\tL UW1 N AH0", "LUNA(1)  L UW1 N AH0",
        "  LUNA   L UW1  N AH0  ", "LUNA  L UW1 N AH0 # moon", "LUNA  L UW1 N AH0 #moon",
        "LUNA  L UW1 N AH0 ;;; moon", "LUNA  L UW1 N AH0;;;moon", "LUNA  L UW1 N AH0 // moon",
    ],
)  # fmt: skip
def test_forms_of_a_line(tmp_path, line):
    said = []
    lexicon = read(tmp_path, f"A  AH0\n{line}\nB  B\n", said)
    assert lexicon.lookup("Luna") == ("L", "UW1", "N", "AH0")
    assert len(lexicon.entries) == 3 and not said


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "comment", ["# a", "#a comment", "## a", "// a", "//a", ";;; a", ";a", "  # a", "{", "}", "#"]
)
def test_comments_and_line_ends(tmp_path, comment, end):
    said = []
    lexicon = read(tmp_path, end.join([comment, "A  AH0", comment, "LUNA  L UW1", ""]), said)
    assert dict(lexicon.entries) == {"a": ("AH0",), "luna": ("L", "UW1")}
    assert not said


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("GOIN'", ["goin'", "GOIN’"]),
        ("‘CAUSE", ["'cause", "’cause"]),
        ("AH’M", ["ah'm", "AH‘M"]),
        ("ZOË", ["zoe", "Zoë", "ZOE"]),
        ("CAFE\u0301", ["café", "cafe"]),
        ("PINKIE_PIE", ["pinkie pie"]),
        ("Pinkie Pie", ["pinkie pie"]),
        ("SUPER-DUPER", ["super-duper"]),
        ("A.J.", ["a.j."]),
        ("R2D2", ["r2d2"]),
        ("1,000", ["1,000"]),
        ("20", ["20"]),
    ],
)
def test_keys_are_written_as_a_text_is(tmp_path, key, words):
    said = []
    lexicon = read(tmp_path, f"{key}  K EY1 K\n", said)
    assert [lexicon.lookup(word) for word in words] == [("K", "EY1", "K")] * len(words)
    assert not said


def test_wrong_lines_are_skipped_and_all_listed_at_once(tmp_path):
    said = []
    lexicon = read(tmp_path, "A  AH0\nLUNA  L OO1\nZECORA\nB  B XX\nC  K\n" + "D  ?\n" * 20, said)
    assert lexicon.entries.keys() == {"a", "c"}
    (note,) = said
    assert note.startswith("Skipped: mine.txt, line 2: 'L OO1' is not ARPAbet: 'OO1' is not an")
    assert "line 3: 'ZECORA' is not ARPAbet: there are no phones." in note
    assert "line 4: 'B XX' is not ARPAbet: 'XX' is not an ARPAbet phone." in note
    assert "line 12:" in note and "line 13" not in note and note.endswith("And 13 more lines.")
    with pytest.raises(LexiconError, match=r"line 2: 'L OO1'.*line 3: 'ZECORA'"):
        Lexicon.read(tmp_path / "mine.txt")


def test_words_that_no_text_has_are_counted(tmp_path):
    said = []
    dead = (
        "!EXCLAMATION-POINT  P\n(PAREN  P\n,COMMA  K\n...  D\n[LAUGH]  L\n" + "a" * 101 + "  AA1\n"
    )
    read(tmp_path, dead + "DR.  D\n'EM  M\nA.J.  AA1\nAT&T  T\n", said)
    (note,) = said
    assert note.startswith("mine.txt: 6 words can never be met in a text: !exclamation-point, ")


def test_of_several_pronunciations_the_most_probable_or_the_first_counts(tmp_path):
    said = []
    lexicon = read(
        tmp_path,
        "READ(2)  R IY1 D\nREAD  R EH1 D\nTHE\t0.2\tDH IY0\nTHE\t0.9\tDH AH0\nLIVE (1)  L IH1 V\n"
        "LIVE (2)  L AY1 V\n",
        said,
    )
    assert lexicon.lookup("read") == ("R", "EH1", "D")
    assert lexicon.lookup("the") == ("DH", "AH0")
    assert lexicon.lookup("live") == ("L", "IH1", "V")
    assert not said
    assert read(tmp_path, "LUNA  L UW1\nLUNA  L AA1\n", said).lookup("luna") == ("L", "UW1")
    assert said == [
        "mine.txt: 1 word with several pronunciations, of which the first counts: luna."
    ]


def test_a_large_dictionary_is_read_in_a_second(tmp_path):
    lines = (
        f"W{''.join(map(chr, (65 + n % 26, 65 + n // 26 % 26)))}{n}  W ER1 D" for n in range(20_000)
    )
    start = time.process_time()
    read(tmp_path, "\n".join(lines), [])
    assert time.process_time() - start < 2
