"""Small pieces of HTML; every text that came from a file is escaped here."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Sequence
from html import escape, unescape

import soundfile
from matplotlib.figure import Figure
from torch import Tensor

from ponytaco.notebook.environment import has_widgets, show

_CELL = "padding:2px 14px 2px 0;text-align:left;vertical-align:top"


def paragraph(text: str, bold: bool = False) -> str:
    """A line of text."""
    weight = "font-weight:600;" if bold else ""
    return f'<div style="{weight}margin:4px 0">{escape(text)}</div>'


def headline(name: str, state: str, large: bool = False) -> str:
    """A name in bold, and what is said of it."""
    size = "font-size:120%;" if large else ""
    return f'<div style="{size}margin:4px 0"><b>{escape(name)}</b>: {escape(state)}</div>'


def table(rows: Iterable[Sequence[str]], heading: Sequence[str] = ()) -> str:
    """Rows of texts, the heading in bold."""
    head = "".join(f'<th style="{_CELL}">{escape(cell)}</th>' for cell in heading)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return (
        '<table style="border-collapse:collapse;background:none">'
        f"{'<tr>' + head + '</tr>' if head else ''}{body}</table>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values side by side, wrapped to the width of the page."""
    items = "".join(
        '<div style="min-width:120px;margin:0 18px 6px 0">'
        f'<div style="font-size:85%;opacity:.7">{escape(name)}</div>'
        f'<div style="font-variant-numeric:tabular-nums">{escape(value)}</div></div>'
        for name, value in pairs
    )
    return f'<div style="display:flex;flex-wrap:wrap;margin:4px 0;line-height:1.4">{items}</div>'


def player(sound: bytes, label: str = "") -> str:
    """An audio player that carries its sound with it.

    Args:
        sound: the bytes of a wav file.
        label: what is heard.
    """
    data = base64.b64encode(sound).decode()
    caption = f"{paragraph(label)}" if label else ""
    source = f"data:audio/wav;base64,{data}"
    return f'{caption}<audio controls preload="auto" src="{source}"></audio>'


def download_link(data: bytes, name: str, kind: str) -> str:
    """A link that saves a file through the browser; it works wherever the notebook runs."""
    content = base64.b64encode(data).decode()
    return (
        f'<a download="{escape(name)}" href="data:{escape(kind)};base64,{content}">'
        f"Download {escape(name)}</a>"
    )


def picture(image: bytes, width: int = 620, kind: str = "image/png") -> str:
    """A picture that carries its data with it."""
    data = base64.b64encode(image).decode()
    return f'<img style="max-width:100%;width:{width}px" src="data:{kind};base64,{data}">'


def png_bytes(figure: Figure) -> bytes:
    """A figure as PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def wav_bytes(waveform: Tensor, sample_rate: int) -> bytes:
    """A waveform (T_wav,) as a wav file in 16 bit."""
    file = io.BytesIO()
    soundfile.write(file, waveform.cpu().numpy(), sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def show_html(html: str) -> None:
    """Show HTML below the cell, or its text alone in a terminal."""
    if has_widgets():
        from IPython.display import HTML

        show(HTML(html))
    elif text := plain_text(html):  # a picture has none
        print(text)


def plain_text(html: str) -> str:
    """What HTML of this module says, for a terminal: a line for each row and paragraph."""
    broken = re.sub(r"</tr>|</div>", "\n", re.sub(r"</t[dh]>", "  ", html))
    text = unescape(re.sub(r"<[^>]*>", "", broken))
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())
