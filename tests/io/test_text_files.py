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


@pytest.mark.parametrize(
    "text",
    ["Café – “quoted”", "Grüße aus München, schöne Straße", "¿Qué pasó, señor? ¡Olé!",
     "L’été à Besançon, où l’œuvre", "It costs £5 or €6 – at 20°C", "Ça va? À bientôt.",
     "5 o’clock…"],
)  # fmt: skip
def test_older_windows_texts_of_western_europe_are_read(text):
    assert decode_text(text.encode("cp1252"), "here", OwnError, "cp1252") == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("こんにちは", "shift_jis"), ("id1|こんにちは", "euc_jp"), ("你好,世界", "gbk"),
        ("안녕하세요", "euc_kr"),
        ("Привет мир", "cp1251"), ("wavs/1.wav|да\nwavs/2.wav|Доброе утро", "koi8_r"),
        ("Café naïve – it’s 5 o’clock…", "mac_roman"), ("schön", "mac_roman"),
        ("Überall", "mac_roman"),
        ("für dich", "cp850"), ("Café au lait", "cp437"), ("zażółć gęślą jaźń", "cp1250"),
        ("Γειά σου", "cp1253"), ("Plain text", "utf-16-le"), ("Plain text", "utf-16-be"),
        ("Café", "utf-16-le"), ("Plain", "utf-32-be"),
    ],
)  # fmt: skip
def test_other_encodings_are_refused_by_name(text, encoding):
    with pytest.raises(OwnError, match="here, line .* Save the file as UTF-8"):
        decode_text(text.encode(encoding), "here", OwnError, "cp1252")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_honoured(encoding):
    assert decode_text("Café naïve".encode(encoding), "here", OwnError) == "Café naïve"


@pytest.mark.parametrize("content", [b"Hello\0\0\0", b"\0", b"a|b\nc|\0d"])
def test_a_text_has_no_nul(content):
    with pytest.raises(OwnError, match="NUL"):
        decode_text(content, "here", OwnError, "cp1252")
