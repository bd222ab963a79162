"""What a network that is not there answers."""

import io
from email.message import Message
from typing import NamedTuple

from ponytaco.io.download import drive

WEIGHTS = b"PK\x03\x04 weights" * 1000
HERE, THERE = "https://here.example/g", drive("some-id")
PIECE = 500


class Half(NamedTuple):
    """What comes before something happens."""

    content: bytes
    then: BaseException


class Reply(io.BytesIO):
    """What urlopen answers."""

    def __init__(self, content, length=None, url=HERE):
        super().__init__(content)
        self.headers = Message()
        self.headers["Content-Length"] = str(len(content) if length is None else length)
        self.geturl = lambda: url
