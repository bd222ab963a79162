import hashlib
import io
import sys
import types

import pytest

from ponytaco.notebook import download as download_module
from ponytaco.notebook.download import (
    MOST_ARCHIVE_BYTES,
    MOST_WEIGHTS_BYTES,
    DownloadError,
    download,
    list_public_archives,
    nvidia_weights,
)

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def fake_gdown(monkeypatch, **functions):
    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(**functions))


def sending(monkeypatch, content, asked=None):
    """Drive sends so many bytes, a few at a time, and counts them."""
    sent = []

    def get(id, output, quiet):
        if asked is not None:
            asked.append(id)
        for i in range(0, len(content), 500):
            output.write(content[i : i + 500])
            sent.append(len(content[i : i + 500]))
        return output

    fake_gdown(monkeypatch, download=get)
    return sent


def refused(path, said, **options):
    with pytest.raises(DownloadError, match=said) as error:
        download("the-id", path, "The archive of X", **options)
    # what, why, and what to do by hand, in one line
    sentence = str(error.value)
    assert sentence.startswith("The archive of X could not be downloaded: ")
    assert "https://drive.google.com/file/d/the-id/view" in sentence and str(path) in sentence
    assert "\n" not in sentence and "try again tomorrow" in sentence


def test_a_file_arrives_once(tmp_path, monkeypatch):
    asked = []
    sending(monkeypatch, CONTENT, asked)
    path = tmp_path / "new" / "x.tar"
    for _ in range(2):
        assert download("the-id", path, "It", sha256=DIGEST) == path
        assert path.read_bytes() == CONTENT
    assert asked == ["the-id"] and list(path.parent.iterdir()) == [path]


def test_a_file_that_is_too_large_is_broken_off(tmp_path, monkeypatch):
    sent = sending(monkeypatch, CONTENT)
    refused(tmp_path / "x.tar", "larger than 2 kB", most_bytes=2000)
    assert sum(sent) == 2000 and list(tmp_path.iterdir()) == []
    assert download("id", tmp_path / "x.tar", "It", most_bytes=len(CONTENT)).is_file()


def test_another_file_is_refused_by_its_digest(tmp_path, monkeypatch):
    sending(monkeypatch, CONTENT + b"!")
    refused(tmp_path / "x.tar", "another file", sha256=DIGEST)
    assert list(tmp_path.iterdir()) == []


def test_another_file_that_is_there_already_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"cut off by a disconnect")
    sending(monkeypatch, CONTENT)
    assert download("id", tmp_path / "x", "It", sha256=DIGEST).read_bytes() == CONTENT


def test_until_it_is_complete_it_has_another_name(tmp_path, monkeypatch):
    seen = []

    def get(id, output, quiet):
        output.write(b"half")
        seen.extend(path.name for path in tmp_path.iterdir())

    fake_gdown(monkeypatch, download=get)
    download("id", tmp_path / "x.tar", "It")
    assert len(seen) == 1 and seen != ["x.tar"] and seen[0].startswith(".")


# What gdown says, for example, when too many people fetch a file.
QUOTA = """Failed to retrieve file url:

\tToo many users have viewed or downloaded this file recently. Please
\ttry accessing the file again later. If the file you are trying to
\taccess is particularly large or is shared with many people, it may
\ttake up to 24 hours to be able to view or download the file.

You may still be able to access the file from the browser:

\thttps://drive.google.com/uc?id=the-id

but Gdown can't. Please check connections and permissions."""


@pytest.mark.parametrize(
    ("sent", "error", "said"),
    [
        (b"", None, "Drive sent no file"),
        (b"<!DOCTYPE html><html>Quota exceeded</html>", None, "a web page and not the file"),
        (b"", RuntimeError(QUOTA), "Too many users have viewed"),
        (b"half", ConnectionError("reset"), "reset"),
        (b"half", OSError(28, "No space left on device"), "No space left"),
        (b"half", ValueError(), "ValueError"),
    ],
)
def test_a_failed_download_leaves_nothing_but_a_sentence(tmp_path, monkeypatch, sent, error, said):
    def get(id, output, quiet):
        output.write(sent)
        if error is not None:
            raise error

    fake_gdown(monkeypatch, download=get)
    refused(tmp_path / "x.tar", said)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(tmp_path, monkeypatch):
    def get(id, output, quiet):
        output.write(b"half")
        raise KeyboardInterrupt

    fake_gdown(monkeypatch, download=get)
    with pytest.raises(KeyboardInterrupt):
        download("id", tmp_path / "x.tar", "It")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_said(tmp_path, monkeypatch):
    (tmp_path / "in the way").write_text("")
    sending(monkeypatch, CONTENT)
    refused(tmp_path / "in the way" / "x.tar", "exists|not a directory|Not a directory")


def test_weights_have_a_lower_limit_than_archives(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        download_module, "download", lambda *args, **options: seen.append(options) or args[1]
    )
    nvidia_weights(tmp_path)
    assert seen == [{"most_bytes": MOST_WEIGHTS_BYTES}]
    assert MOST_WEIGHTS_BYTES < MOST_ARCHIVE_BYTES


# The real gdown, before a Drive that answers


def answering(monkeypatch, content, headers):
    requests = pytest.importorskip("requests")

    def get(session, url, **options):
        response = requests.Response()
        response.status_code, response.url = 200, url
        response.raw = io.BytesIO(content)
        response.headers.update(headers)
        return response

    monkeypatch.setattr(requests.Session, "get", get)


def test_the_real_gdown_fills_the_file(tmp_path, monkeypatch):
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": "attachment; filename*=UTF-8''x.tar",
    }
    answering(monkeypatch, CONTENT, headers)
    path = tmp_path / "x.tar"
    assert download("1" * 33, path, "It", sha256=DIGEST).read_bytes() == CONTENT
    path.unlink()
    with pytest.raises(DownloadError, match="larger than"):
        download("1" * 33, path, "It", most_bytes=100)
    assert list(tmp_path.iterdir()) == []


def test_the_real_gdowns_quota_error_is_one_sentence(tmp_path, monkeypatch):
    page = b'<html><p class="uc-error-subcaption">Too many users have viewed it.</p></html>'
    answering(monkeypatch, page, {"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(DownloadError, match="By hand: open") as error:
        download("1" * 33, tmp_path / "x.tar", "It")
    assert "\n" not in str(error.value) and "Too many users" in str(error.value)


def test_newer_gdowns_list_folders_without_an_option_of_the_older(monkeypatch):
    def newer(id=None, skip_download=False, quiet=False):
        return [types.SimpleNamespace(id="1", path="Zecora.tar")]

    fake_gdown(monkeypatch, download_folder=newer)
    assert [archive.name for archive in list_public_archives()] == ["Zecora.tar"]
