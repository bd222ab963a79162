import pytest

from ponytaco.errors import PonytacoError
from ponytaco.io.text_files import decode_text, read_text


class OwnError(PonytacoError):
    pass


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Café…".encode(), "Café…"),
        ("Café".encode("utf-8-sig"), "Café"),
        ("Café".encode("utf-16"), "Café"),
        (b"\xfe\xff" + "Café".encode("utf-16-be"), "Café"),
        (b"", ""),
    ],
)
def test_texts_in_their_encodings(content, text):
    assert decode_text(content, "here", OwnError) == text


@pytest.mark.parametrize("content", ["a\nb\ncafé".encode("latin-1"), b"a\nb\nc\x80"])
def test_other_encodings_are_refused_with_the_line(content):
    with pytest.raises(OwnError, match="here, line 3: the byte 0x.. is not text in UTF-8.*Save"):
        decode_text(content, "here", OwnError)


def test_half_a_character_of_utf_16_is_refused():
    with pytest.raises(OwnError, match="line 1"):
        decode_text(b"\xff\xfe\x00", "here", OwnError)


def test_a_fallback_is_for_text_only():
    assert decode_text("café".encode("cp1252"), "here", OwnError, "cp1252") == "café"
    with pytest.raises(OwnError, match="UTF-8"):
        decode_text(b"\x89PNG\0", "here", OwnError, "latin-1")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(OwnError, match=r"Cannot read .*nowhere.txt: No such file"):
        read_text(tmp_path / "nowhere.txt", OwnError)


def test_a_file_may_be_as_large_as_allowed_and_no_larger(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * 2**20)
    assert len(read_text(path, OwnError, most_bytes=2**20)) == 2**20
    path.write_bytes(b"a" * (2**20 + 1))
    with pytest.raises(OwnError, match=r"a\.txt is larger than 1 MB"):
        read_text(path, OwnError, most_bytes=2**20)
