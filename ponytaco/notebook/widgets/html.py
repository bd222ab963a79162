"""Small pieces of HTML; all texts are escaped here and nowhere else."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Sequence
from html import unescape

from matplotlib.figure import Figure

from ponytaco.notebook.environment import has_widgets, show
from ponytaco.printable import escape, say

_CELL = "padding:2px 14px 2px 0;text-align:left;vertical-align:top"


def paragraph(text: str, bold: bool = False) -> str:
    """Return a paragraph of text."""
    weight = "font-weight:600;" if bold else ""
    return f'<div style="{weight}margin:4px 0;line-height:1.4">{escape(text)}</div>'


def headline(name: str, state: str, large: bool = False) -> str:
    """Return a name in bold, and its state."""
    size = "font-size:120%;" if large else ""
    return f'<div style="{size}margin:4px 0"><b>{escape(name)}</b>: {escape(state)}</div>'


def table(rows: Iterable[Sequence[str]], heading: Sequence[str] = ()) -> str:
    """Return a table of texts, its heading in bold."""
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
    """Return names and values in columns, as many as fit the page."""
    items = "".join(
        "<div>"
        f'<div style="font-size:85%;opacity:.7">{escape(name)}</div>'
        f'<div style="font-variant-numeric:tabular-nums">{escape(value)}</div></div>'
        for name, value in pairs
    )
    grid = "display:grid;grid-template-columns:repeat(auto-fill,minmax(210px,1fr));gap:6px 12px"
    return f'<div style="{grid};max-width:900px;margin:4px 0;line-height:1.4">{items}</div>'


def player(sound: bytes, label: str = "") -> str:
    """Return an audio player with embedded sound.

    Args:
        sound: bytes of a WAV file.
        label: above the player.
    """
    data = base64.b64encode(sound).decode()
    caption = f"{paragraph(label)}" if label else ""
    source = f"data:audio/wav;base64,{data}"
    return f'{caption}<audio controls preload="auto" src="{source}"></audio>'


def download_link(data: bytes, name: str, mime_type: str) -> str:
    """Return a link with embedded data that saves it through the browser."""
    content = base64.b64encode(data).decode()
    return (
        f'<a download="{escape(name)}" href="data:{escape(mime_type)};base64,{content}">'
        f"Download {escape(name)}</a>"
    )


def picture(image: bytes, width: int = 620, mime_type: str = "image/png") -> str:
    """Return an embedded picture."""
    data = base64.b64encode(image).decode()
    return f'<img style="max-width:100%;width:{width}px" src="data:{mime_type};base64,{data}">'


def png_bytes(figure: Figure) -> bytes:
    """Draw a figure as PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def show_html(html: str) -> None:
    """Show HTML below the cell, or only its text in a terminal."""
    if has_widgets():
        from IPython.display import HTML

        show(HTML(html))
    elif text := plain_text(html):  # a picture has none
        say(*text.split("\n"))


def plain_text(html: str) -> str:
    """Return the text in this module's HTML, a line for each row and paragraph."""
    broken = re.sub(r"</tr>|</div>", "\n", re.sub(r"</t[dh]>", "  ", html))
    text = unescape(re.sub(r"<[^>]*>", "", broken))
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())
