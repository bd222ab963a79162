import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.soak import often

from ponytaco.io.names import as_argument, safe_name

DEVICES = [
    "CON",
    "con",
    "NUL",
    "aux.txt",
    "PRN.wav.bak",
    "COM1",
    "lpt9",
    "COM¹",
    "Con .x",
    "CONIN$",
]
HOSTILE = [
    *DEVICES, "", ".", "..", "...", "-rf", "--help", "- -x", " . hidden", "trailing. . ", "a/b",
    "a\\b", "C:", "a:b?c*d|e<f>g\"h", "nul\0", "\ud800", "\x1b[2J\n", "\u202egpj.exe", "é" * 300,
    "日" * 300, "👍" * 300, "x" * 10**6, "e\u0301", "~", "ﬁ", ".aux", "-con", " nul",
]  # fmt: skip
RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"}
RESERVED |= {f"{port}{n}" for port in ("com", "lpt") for n in "0123456789"}


@settings(max_examples=often(300), deadline=None)
@given(st.lists(st.text() | st.sampled_from(HOSTILE), max_size=5), st.booleans())
@example(HOSTILE, True)
@example(HOSTILE, False)
def test_every_system_accepts_the_names_and_tells_them_apart(texts, any_letters):
    taken = set()
    names = [safe_name(text, taken, any_letters=any_letters) for text in texts]
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert 0 < len(name.encode()) <= 100 and name.isprintable()
        assert not set(name) & set('<>:"/\\|?*') and name.isascii() | any_letters
        assert name[0] not in " .-" and name[-1] not in " ."
        assert name.partition(".")[0].rstrip(" ").lower() not in RESERVED
        assert safe_name(name, any_letters=any_letters) == name


@pytest.mark.parametrize("name", ["Zecora", "a.b", "Twilight Sparkle (alicorn)", "Jr.'s", "Зекора"])
def test_good_names_stay(name):
    assert safe_name(name, any_letters=True) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CON", "CON_"), ("aux.txt", "aux_.txt"), ("COM¹", "COM1_"), ("-rf", "rf"),
        ("..", "unnamed"), ("", "unnamed"), ("a/b:c", "a_b_c"), ("console", "console"),
        ("e\u0301", "é"), ("Com10", "Com10"),
    ],
)  # fmt: skip
def test_other_names_change_little(text, name):
    assert safe_name(text, any_letters=True) == name


def test_names_of_the_longest_length_are_told_apart():
    taken = set()
    names = [safe_name("日" * 300, taken, any_letters=True) for _ in range(120)]
    assert len(set(names)) == 120 and all(len(name.encode()) <= 100 for name in names)


def test_a_path_is_never_an_option():
    assert as_argument("-rf.tar") == "./-rf.tar" and as_argument("a/-b") == "a/-b"
