"""What sites send in place of a file: pages, errors and pointers, told by their beginning."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from ponytaco.printable import brief

_HEAD_BYTES = 2**16
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
_GZIP = b"\x1f\x8b"
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_BLANK = "\ufeff\0 \t\r\n\x0b\x0c"
_GIT_LFS = "version https://git-lfs.github.com/"
_JSON = re.compile(r'\{\s*["}]|\[\s*["{\[\]]')
_ERROR = re.compile(
    r"(http )?(error|[45]\d\d\b|not found|access denied|forbidden|unauthori[sz]ed|too many requests"
    r"|rate limit|service unavailable|bad gateway|internal server error)",
    re.IGNORECASE,
)


def wrong_answer(path: Path) -> str:
    """Describe what came instead of weights or an archive; '' where nothing speaks against it."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        return "the answer was empty"
    if head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):  # begins with a name, which may be any text
        return ""
    if head.startswith(_GZIP):
        what = _describe(_inflated(head)) or "a file compressed with gzip"
    else:
        what = _describe(head)
    return f"{what} came instead of the file" if what else ""


def _inflated(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _HEAD_BYTES)
    except zlib.error:
        return b""


def _describe(head: bytes) -> str:
    text = _text(head)
    lower = text.lower()
    if text.startswith(_GIT_LFS):
        return "a pointer of Git LFS"
    if text.startswith("<"):
        return _describe_page(lower)
    if _JSON.match(text):
        return f"an answer in JSON ({brief(' '.join(text[:200].split()), 80)})"
    if _ERROR.match(text) and text.isprintable():
        return f"an error ({brief(text, 80)})"
    # No weights and no archive are a text from beginning to end.
    is_text = bool(text) and len(head) < _HEAD_BYTES and "\ufffd" not in text
    return f"a text ({brief(' '.join(text[:200].split()), 80)})" if is_text else ""


def _text(head: bytes) -> str:
    """Return the text without a byte order mark and leading blanks; '' for other content."""
    mark, encoding = next((pair for pair in _MARKS if head.startswith(pair[0])), (b"", "utf-8"))
    # Other texts have no such bytes; weights have, also where they begin like a text.
    if not mark and re.search(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]", head[:512].lstrip(b"\0")):
        return ""
    return head[len(mark) :].decode(encoding, "replace").lstrip(_BLANK).rstrip()


def _describe_page(lower: str) -> str:
    if "google drive" in lower or "drive.google.com" in lower or "googleusercontent" in lower:
        if "quota" in lower or "too many users" in lower:
            return "Google Drive's page that too many people have fetched it"
        if "virus scan" in lower or "download-form" in lower or "confirm=" in lower:
            return "Google Drive's page that asks for a confirmation"
    if "<html" in lower or "<!doctype html" in lower or not re.match(r"<\?xml|<error", lower):
        return "a web page"
    code = re.search(r"<code>([^<]{1,40})</code>", lower)
    return f"an error in XML ({brief(code[1])})" if code else "an error in XML"
