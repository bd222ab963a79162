import hashlib
import io
import sys
import types
import urllib.request
from email.message import Message
from pathlib import Path
from urllib.error import URLError

import pytest

from ponytaco.cli import main
from ponytaco.fetch import PUBLISHED, FetchError, cache_folder, drive, fetch, receive

WEIGHTS = b"PK\x03\x04 weights" * 1000
HERE, THERE = "https://here.example/g", drive("some-id")


@pytest.fixture
def net(monkeypatch):
    """A network with what is put into it, by address or Drive id; notes what is asked for."""
    held, asked = {}, []

    def answer(name):
        asked.append(name)
        content = held.get(name, URLError("no route to host"))
        if isinstance(content, Exception):
            raise content
        return content

    def urlopen(address, timeout):
        content = answer(address)
        reply = io.BytesIO(content[1] if isinstance(content, tuple) else content)
        reply.headers = Message()
        length = content[0] if isinstance(content, tuple) else len(content)
        reply.headers["Content-Length"] = str(length)
        return reply

    def gdown_download(id, output, quiet):
        output.write(answer(id))

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(download=gdown_download))
    return types.SimpleNamespace(held=held, asked=asked)


def get(path, said=None, **options):
    options = {"most_bytes": 10**6} | options
    said = [] if said is None else said
    return receive([HERE, THERE], path, "The voice", say=said.append, **options)


def test_the_first_place_that_has_it_is_enough(net, tmp_path):
    net.held[HERE] = WEIGHTS
    path = tmp_path / "new" / "g"
    assert get(path) == path and path.read_bytes() == WEIGHTS
    assert net.asked == [HERE]
    assert get(path) == path
    assert net.asked == [HERE]  # kept
    assert list(path.parent.iterdir()) == [path]


def test_the_next_place_is_tried(net, tmp_path):
    net.held["some-id"] = WEIGHTS
    said = []
    assert get(tmp_path / "g", said).read_bytes() == WEIGHTS
    assert net.asked == [HERE, "some-id"]
    assert [line for line in said if "did not work: " in line and "no route" in line]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "nothing came"),
        (b"\n<!DOCTYPE html>", "web page"),
        (b"x" * (10**6 + 1), "larger than 1 MB"),
        ((100, b"x" * 99), "broke off"),
        (OSError(28, "No space left on device"), "No space left"),
        (ValueError("long " * 1000), "long"),
    ],
)
def test_what_is_not_the_file_leaves_nothing(net, tmp_path, content, reason):
    net.held[HERE] = content
    path = tmp_path / "new" / "g"
    with pytest.raises(FetchError) as error:
        get(path)
    said = str(error.value)
    assert reason in said and "no route to host" in said
    assert HERE in said and THERE in said and str(path) in said  # how to go on by hand
    assert len(said) < 2000
    assert not list(path.parent.iterdir())


def test_another_file_than_the_known_one_is_refused(net, tmp_path):
    net.held |= {HERE: b"PK other", "some-id": WEIGHTS}
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    assert get(tmp_path / "g", sha256=digest).read_bytes() == WEIGHTS
    (tmp_path / "g").write_bytes(b"damaged since")
    assert get(tmp_path / "g", sha256=digest).read_bytes() == WEIGHTS
    with pytest.raises(FetchError, match="another file"):
        get(tmp_path / "h", sha256="0" * 64)


def test_an_interruption_leaves_nothing(net, tmp_path):
    class Interrupted(BaseException):
        pass

    def gdown_download(id, output, quiet):
        output.write(b"half")
        raise Interrupted

    sys.modules["gdown"].download = gdown_download
    with pytest.raises(Interrupted):
        receive([THERE], tmp_path / "g", "The voice", most_bytes=100, say=print)
    assert not list(tmp_path.iterdir())


def test_only_https(net, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    with pytest.raises(FetchError, match="no https"):
        receive([secret.as_uri()], tmp_path / "g", "It", most_bytes=100, say=print)
    assert not net.asked


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_have_two_places_and_a_limit(name):
    published = PUBLISHED[name]
    assert len(published.addresses) >= 2
    assert all(address.startswith("https://") for address in published.addresses)
    assert 10**8 < published.most_bytes <= 2 * 10**9
    assert Path(published.file_name).name == published.file_name


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(FetchError, match="hifigan, waveglow, tacotron2"):
        fetch("wavenet")


def test_the_command(net, tmp_path, capsys, monkeypatch):
    net.held[PUBLISHED["hifigan"].addresses[0]] = WEIGHTS
    assert main(["fetch", "hifigan", "--to", str(tmp_path / "kept")]) == 0
    path = tmp_path / "kept" / PUBLISHED["hifigan"].file_name
    assert capsys.readouterr().out.splitlines()[-1] == str(path) and path.is_file()
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "ponytaco"
    assert main(["fetch", "waveglow"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("ponytaco: WaveGlow") and "By hand" in said
    assert str(cache_folder() / "waveglow_256channels_universal_v5.pt") in said
