import sys
import types
from urllib.error import URLError

import pytest
from support.fake_net import PIECE, Half, Reply

from ponytaco.io import download


@pytest.fixture
def net(monkeypatch):
    """A network with what is put into it, by address or Drive id; notes what happens."""
    net = types.SimpleNamespace(held={}, asked=[], n_sent=0)

    def answer(name):
        net.asked.append(name)
        content = net.held.get(name, URLError("no route to host"))
        if isinstance(content, Exception):
            raise content
        return content

    def urlopen(address, timeout):
        content = answer(address)
        return content if isinstance(content, Reply) else Reply(content)

    def gdown_download(id, output, quiet):
        content = answer(id)
        sent, then = content if isinstance(content, Half) else (content, None)
        for i in range(0, len(sent), PIECE):
            net.n_sent += output.write(sent[i : i + PIECE])
        if then is not None:
            raise then

    monkeypatch.setattr(download, "open_https", urlopen)
    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(download=gdown_download))
    return net
