import hashlib
import io
import sys
import time
import urllib.request
import urllib.response
from email.message import Message
from urllib.error import HTTPError

import pytest
from support.fake_net import HERE, PIECE, THERE, WEIGHTS, Half, Reply
from support.waiting import within

from ponytaco.io import download as download_module
from ponytaco.io.download import DownloadError, download, drive

DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


def get(path, said=None, addresses=(HERE, THERE), **options):
    options = {"most_bytes": 10**6} | options
    said = [] if said is None else said
    return download(addresses, path, "The voice", log=said.append, **options)


def refused(path, reason, addresses=(HERE, THERE), **options):
    """Nothing is left but what, why, and what to do by hand, in a few numbered lines."""
    with pytest.raises(DownloadError) as error:
        get(path, addresses=addresses, **options)
    said = str(error.value)
    why, first, second, third, *hint = said.splitlines()
    assert why.startswith("The voice could not be downloaded (") and reason in why
    assert why.endswith("). To get it by hand:") and "\t" not in said
    assert first.startswith("1. Open ") and all(address in first for address in addresses)
    assert second.startswith("2. ") and third == f"3. Put it at {path}"
    assert all(len(line) < 200 for line in (why, *hint)) and len(hint) <= 1
    assert not path.parent.is_dir() or not list(path.parent.iterdir())
    return said


def test_the_first_place_that_has_it_is_enough(net, tmp_path):
    net.held[HERE] = WEIGHTS
    path = tmp_path / "new" / "g"
    assert get(path) == path and path.read_bytes() == WEIGHTS
    assert net.asked == [HERE]
    assert get(path, sha256=DIGEST) == path
    assert net.asked == [HERE]  # kept
    assert list(path.parent.iterdir()) == [path]


def test_the_next_place_is_tried(net, tmp_path):
    net.held["some-id"] = WEIGHTS
    said = []
    assert get(tmp_path / "g", said).read_bytes() == WEIGHTS
    assert net.asked == [HERE, "some-id"]
    assert [line for line in said if "did not work: there is no connection." in line]


def test_the_last_places_failure_is_said_once(net, tmp_path):
    said = []
    with pytest.raises(DownloadError, match="no connection"):
        get(tmp_path / "g", said, addresses=[HERE])
    assert said == [f"Downloading The voice from {HERE} …"]


# What gdown says, for example, when too many people fetch a file.
QUOTA = """Failed to retrieve file url:

\tToo many users have viewed or downloaded this file recently. Please
\ttry accessing the file again later. If the file you are trying to
\taccess is particularly large or is shared with many people, it may
\ttake up to 24 hours to be able to view or download the file.

You may still be able to access the file from the browser:

\thttps://drive.google.com/uc?id=the-id

but Gdown can't. Please check connections and permissions."""

NOT_THE_FILE = [
    (b"", "the answer was empty"),
    (b"\n<!DOCTYPE html><html>Quota exceeded</html>", "a web page came instead of the file"),
    (b"x" * (10**6 + 1), "larger than 1 MB"),
    (OSError(28, "No space left on device"), "the disk reports: No space left"),
]
ODD = [ValueError("long " * 1000), ValueError(), RuntimeError("It has\n\tlines.")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        *NOT_THE_FILE,
        (Reply(b"x" * 99, length=100), "connection was lost"),
        *((error, f"the answer cannot be read ({type(error).__name__})") for error in ODD),
        (HTTPError(HERE, 404, "Not Found", Message(), None), "error 404"),
    ],
)
def test_what_is_not_the_file_leaves_nothing(net, tmp_path, content, reason):
    net.held[HERE] = content
    said = refused(tmp_path / "new" / "g", reason)
    assert "here.example: " in said and "drive.google.com: there is no connection)" in said
    assert "tomorrow" not in said  # Drive did not answer


@pytest.mark.parametrize(
    ("content", "reason", "is_answer"),
    [
        *(
            (content, reason, reason.endswith(("empty", "file")))
            for content, reason in NOT_THE_FILE
        ),
        *((error, "Google Drive does not give it out", True) for error in ODD),
        (Half(b"", RuntimeError(QUOTA)), "Google Drive does not give it out", True),
        (Half(b"half", ConnectionError("reset")), "no connection", False),
        (Half(b"half", OSError(28, "No space left on device")), "No space left", False),
    ],
)
def test_drive_may_send_anything_too(net, tmp_path, content, reason, is_answer):
    net.held["some-id"] = content
    said = refused(tmp_path / "new" / "g", reason, [THERE])
    assert ("try again tomorrow" in said) == is_answer
    assert net.n_sent <= 10**6


def test_without_a_network_it_is_said_once_and_nothing_of_quotas(net, tmp_path):
    said = refused(tmp_path / "g", "(there is no connection)")
    assert "tomorrow" not in said


def test_only_google_is_said_to_have_a_quota(net, tmp_path):
    net.held[HERE] = b"<html>"
    assert "tomorrow" not in refused(tmp_path / "g", "a web page", [HERE])


@pytest.mark.parametrize("place", [HERE, "some-id"])
def test_a_file_that_is_too_large_is_broken_off(net, tmp_path, place):
    net.held[place] = WEIGHTS
    refused(tmp_path / "g", "larger than 2 kB", most_bytes=4 * PIECE)
    assert net.n_sent == (4 * PIECE if place == "some-id" else 0)
    assert get(tmp_path / "g", most_bytes=len(WEIGHTS)).is_file()


def test_another_file_than_the_known_one_is_refused(net, tmp_path):
    net.held |= {HERE: b"PK other", "some-id": WEIGHTS}
    refused(tmp_path / "g", "is not the file", sha256="0" * 64)
    assert get(tmp_path / "g", sha256=DIGEST).read_bytes() == WEIGHTS
    (tmp_path / "g").write_bytes(b"cut off by a disconnect")
    assert get(tmp_path / "g", sha256=DIGEST).read_bytes() == WEIGHTS


def test_until_it_is_complete_it_has_another_name(net, tmp_path, monkeypatch):
    seen = []

    def gdown_download(id, output, quiet):
        output.write(b"PK\x03\x04")
        seen.extend(path.name for path in tmp_path.iterdir())

    monkeypatch.setattr(sys.modules["gdown"], "download", gdown_download)
    get(tmp_path / "g.tar", addresses=[THERE])
    assert len(seen) == 1 and seen[0].startswith(".") and not seen[0].endswith(".tar")


def test_an_interruption_leaves_nothing(net, tmp_path):
    net.held["some-id"] = Half(b"half", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        get(tmp_path / "g", addresses=[THERE])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_said(net, tmp_path):
    (tmp_path / "in the way").write_text("")
    net.held[HERE] = WEIGHTS
    with pytest.raises(DownloadError, match=r"(?i)could not be downloaded .*(exists|not a dir)"):
        get(tmp_path / "in the way" / "g")


def test_only_https(net, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    refused(tmp_path / "new" / "g", "not an https", [secret.as_uri()])
    assert not net.asked
    net.held[HERE] = Reply(WEIGHTS, url="http://elsewhere.example/g")
    refused(tmp_path / "new" / "g", "not https", [HERE])


@pytest.mark.parametrize(
    "hops",
    [
        ["http://here.example/g", "https://here.example/h"],
        ["https://there.example/g", "http://there.example/g", "https://here.example/h"],
        ["http://here.example/h"],
        ["ftp://here.example/h"],
        ["file:///etc/passwd"],
        ["//there.example/plain", "http://x.example/"],
    ],
)
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_every_hop_is_https(tmp_path, monkeypatch, hops, code):
    asked = redirecting(monkeypatch, hops, code)
    said = refused(tmp_path / "new" / "g", "", [HERE])
    assert "not https" in said or "error 30" in said
    assert all(address.startswith("https://") for address in asked)


def test_hops_over_https_are_followed(tmp_path, monkeypatch):
    redirecting(monkeypatch, ["https://there.example/g", "/other"], 302)
    assert get(tmp_path / "g", addresses=[HERE]).read_bytes() == WEIGHTS


def redirecting(monkeypatch, hops, code):
    """Answer with one redirection after the other, then with the file."""
    asked, left = [], [*hops]

    def answer(handler, request):
        asked.append(request.full_url)
        headers = Message()
        if left:
            headers["Location"] = left.pop(0)
        response = urllib.response.addinfourl(
            io.BytesIO(b"" if "Location" in headers else WEIGHTS), headers, request.full_url,
            code if "Location" in headers else 200,
        )  # fmt: skip
        response.msg = "Found"
        response.read1 = response.fp.read1
        return response

    monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", answer)
    monkeypatch.setattr(urllib.request.HTTPHandler, "http_open", answer)
    return asked


class Slow(Reply):
    """Sends a byte now and then, for ever."""

    def read1(self, size):
        time.sleep(0.02)
        return b"x"


class Silent(Reply):
    def read1(self, size):
        time.sleep(60)
        return b""


@pytest.mark.parametrize("place", [HERE, "some-id"])
@pytest.mark.parametrize(
    ("reply", "limit", "reason"),
    [
        (Slow, "_LEAST_SECONDS", "it takes longer than 0 s"),
        (Silent, "_STALL_SECONDS", "nothing came for 0 s"),
    ],
)
def test_what_takes_too_long_is_given_up(net, tmp_path, monkeypatch, place, reply, limit, reason):
    monkeypatch.setattr(download_module, limit, 0.3)
    monkeypatch.setattr(download_module, "_POLL_SECONDS", 0.05)

    def gdown_download(id, output, quiet):
        while output.write(reply(b"").read1(1)) or True:
            pass

    monkeypatch.setattr(sys.modules["gdown"], "download", gdown_download)
    net.held[HERE] = reply(b"")
    address = HERE if place == HERE else THERE
    with within(10):
        refused(tmp_path / "new" / "g", reason, [address], most_bytes=10_000)


def test_the_file_from_before_stays_where_another_kind_comes(net, tmp_path):
    path = tmp_path / "g"
    path.write_bytes(b"of yesterday")
    net.held[HERE] = b'{"error": "gone"}'
    with pytest.raises(DownloadError, match="an answer in JSON"):
        get(path, addresses=[HERE], sha256=DIGEST)
    assert path.read_bytes() == b"of yesterday"


def test_a_page_that_was_kept_by_mistake_is_replaced(net, tmp_path):
    path = tmp_path / "g"
    path.write_bytes(b"<html>")
    net.held[HERE] = WEIGHTS
    assert get(path).read_bytes() == WEIGHTS


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


REAL = drive("1" * 33)


def test_the_real_gdown_fills_the_file(tmp_path, monkeypatch):
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": "attachment; filename*=UTF-8''x.tar",
    }
    answering(monkeypatch, WEIGHTS, headers)
    path = tmp_path / "x.tar"
    assert get(path, addresses=[REAL], sha256=DIGEST).read_bytes() == WEIGHTS
    path.unlink()
    refused(path, "larger than", [REAL], most_bytes=100)


def test_the_real_gdowns_quota_error_is_said_plainly(tmp_path, monkeypatch):
    page = b'<html><p class="uc-error-subcaption">Too many users have viewed it.</p></html>'
    answering(monkeypatch, page, {"Content-Type": "text/html; charset=utf-8"})
    said = refused(tmp_path / "x.tar", "Google Drive does not give it out", [REAL])
    assert "tomorrow" in said


def test_the_real_gdown_without_a_network(tmp_path, monkeypatch):
    requests = pytest.importorskip("requests")

    def get(session, url, **options):
        raise requests.exceptions.ConnectionError("HTTPSConnectionPool(host='drive.google.com')")

    monkeypatch.setattr(requests.Session, "get", get)
    said = refused(tmp_path / "x.tar", "there is no connection", [REAL])
    assert "tomorrow" not in said and "Pool" not in said
