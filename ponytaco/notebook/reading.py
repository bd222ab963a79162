"""What will be said of a text, shown before it is spoken, so that wrong words can be mended."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from ponytaco.notebook.environment import has_widgets, show
from ponytaco.notebook.widgets.html import paragraph, table
from ponytaco.text.reading import SentenceReading, dictionary_lines, read_sentences
from ponytaco.text.script import Script

_TITLE = "What will be said, and where the phones come from"
_MOST_SENTENCES = 50
_MOST_LINES = 50


def show_reading(script: Script, symbols: Sequence[str]) -> None:
    """Show what will be said, folded up: a table for each sentence, and lines for a dictionary.

    Args:
        script: from ``Voice.read``.
        symbols: of the voice.
    """
    if not has_widgets():
        return  # "ponytaco read" is for terminals
    import ipywidgets as widgets

    page = widgets.HTML(reading_page(script, symbols))
    folded = widgets.Accordion(children=[page], selected_index=None)
    folded.set_title(0, _TITLE)
    show(folded)


def reading_page(script: Script, symbols: Sequence[str]) -> str:
    """Return what will be said as HTML."""
    sentences = list(itertools.islice(read_sentences(script, symbols), _MOST_SENTENCES))
    html = "".join(piece for sentence in sentences for piece in _sentence(sentence))
    n_more = len(script.utterances) - len(sentences)
    if n_more:
        html += paragraph(f"And {n_more:,} more.")
    lines = dictionary_lines(script)[:_MOST_LINES]
    if lines:
        html += paragraph(
            "In no dictionary. Where one sounds wrong, correct its line, write it into a text file "
            "in your storage, and name that file as the dictionary:"
        )
        html += table([(line,) for line in lines])
    return html


def _sentence(sentence: SentenceReading) -> Iterator[str]:
    style = f"[{sentence.style}] " if sentence.style else ""
    yield paragraph(style + sentence.text, bold=True)
    for written, spoken in sentence.expanded:
        yield paragraph(f"{written} → {spoken}")
    yield table(sentence.words, ("word", "phones", "from"))
