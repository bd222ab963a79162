"""What sites send in place of files, told from weights and archives."""

import gzip
import io
import tarfile

import pytest

from ponytaco.io.answers import wrong_answer

PAGE = "<!DOCTYPE html><html><body>Sign in</body></html>"
QUOTA = "<html><head><title>Google Drive - Quota exceeded</title></head></html>"
SCAN = '<html><title>Google Drive - Virus scan warning</title><form id="download-form"></html>'
S3 = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>'
WEB_PAGE = "a web page came instead of the file"
CONFIRMATION = "Google Drive's page that asks for a confirmation came instead of the file"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 55824433\n"

ANSWERS = [
    (b"", "the answer was empty"),
    (PAGE.encode(), WEB_PAGE),
    (b"\xef\xbb\xbf" + PAGE.encode(), WEB_PAGE),
    (b"\xef\xbb\xbf\r\n\t " + PAGE.encode(), WEB_PAGE),
    (PAGE.encode("utf-16"), WEB_PAGE),
    (b"\xfe\xff" + PAGE.encode("utf-16-be"), WEB_PAGE),
    (PAGE.encode("utf-32"), WEB_PAGE),
    (b"\n" * 5000 + PAGE.encode(), WEB_PAGE),
    (b"<!-- saved from url=(0014)about:internet -->\n<HTML>", WEB_PAGE),
    (b"<!-- " + b"x" * 9000 + b" -->" + PAGE.encode(), WEB_PAGE),
    (b"<HEAD><TITLE>Moved</TITLE>", WEB_PAGE),
    (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML"><html>', WEB_PAGE),
    (QUOTA.encode(), "Google Drive's page that too many people have fetched it came instead"),
    (SCAN.encode(), CONFIRMATION),
    (S3.encode(), "an error in XML (nosuchkey) came instead of the file"),
    (b"\xef\xbb\xbf\n<Error><Message>AccessDenied</Message></Error>", "an error in XML came"),
    (b'{"error": "not found"}', 'an answer in JSON ({"error": "not found"}) came instead'),
    (b'\xef\xbb\xbf\n{\n  "message": "\x1b[2J"}', "an answer in JSON ({"),
    (b"[]", "an answer in JSON ([]) came"),
    (b'{"error": "' + b"x" * 10**5, "an answer in JSON ("),
    (POINTER.encode(), "a pointer of Git LFS came instead of the file"),
    (b"404: Not Found\n", "an error (404: Not Found) came instead of the file"),
    (b"Error 503: backend", "an error (Error 503: backend) came"),
    (b"Too many requests", "an error (Too many requests) came"),
    (b"Sorry, this file has been removed.", "a text (Sorry, this file has been removed.) came"),
    (b"null", "a text (null) came"),
    (b'"error"', 'a text ("error") came'),
    ("Fehler: gelöscht\n".encode(), "a text (Fehler: gelöscht) came"),
    (b"window.location = 'https://elsewhere.example'", "a text (window.location"),
    (b"Error \x1b[2J\nx", "a text (Error \\x1b[2J x) came"),
    (gzip.compress(PAGE.encode(), mtime=0), WEB_PAGE),
    (gzip.compress(b'{"error": 1}', mtime=0), "an answer in JSON"),
    (
        gzip.compress(b"PK\x03\x04" + bytes(10**6), mtime=0),
        "a file compressed with gzip came instead",
    ),
    (b"\x1f\x8bnot gzip at all", "a file compressed with gzip came instead"),
    (gzip.compress(bytes(10**8), mtime=0), "a file compressed with gzip came instead"),
]


@pytest.mark.parametrize(("content", "reason"), ANSWERS, ids=lambda value: ascii(value)[:30])
def test_what_is_not_the_file_is_named(tmp_path, content, reason):
    (tmp_path / "g").write_bytes(content)
    said = wrong_answer(tmp_path / "g")
    assert said.startswith(reason) and len(said) < 160 and said.isprintable()


def tar(name):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04" + bytes(1000),
        b"\x80\x02\x8a\nl\xfcF\x9c",
        (123).to_bytes(8, "little") + b'{"__metadata__": {}}',
        int.from_bytes(b'{"', "little").to_bytes(8, "little") + b'{"__metadata__": {}}',
        tar("<html>/audio.wav"),
        tar('{"error": 1}/audio.wav'),
        tar("404: Not Found"),
        b"errors\0\x01\x02",
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_weights_and_archives_pass(tmp_path, content):
    (tmp_path / "g").write_bytes(content)
    assert wrong_answer(tmp_path / "g") == ""
