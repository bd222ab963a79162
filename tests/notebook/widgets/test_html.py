import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ponytaco.notebook.widgets import html as page


def test_html_escapes_and_reads_as_plain_text():
    html = page.table([("<b>", "&")], ("one", "two")) + page.paragraph("a < b")
    assert "<b>" not in html
    assert page.plain_text(html) == "one  two\n<b>  &\na < b"


def tags_in(source):
    """The texts in a module's code (docstrings aside) that hold HTML."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.FunctionDef, ast.ClassDef)
    docs = {ast.get_docstring(n, clean=False) for n in ast.walk(tree) if isinstance(n, documented)}
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    return [t for t in texts if isinstance(t, str) and t not in docs and re.search("</?[a-z]", t)]


def test_html_is_made_in_one_place():
    """So that there is one place that must escape."""
    folder = Path(page.__file__).parents[1]
    made = {path.name for path in folder.rglob("*.py") if tags_in(path.read_text(encoding="utf-8"))}
    assert made == {"html.py"}


EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    "html",
    [
        page.paragraph(EVIL), page.headline(EVIL, EVIL), page.table([(EVIL, EVIL)], (EVIL, EVIL)),
        page.facts([(EVIL, EVIL)]), page.player(b"", EVIL),
        page.download_link(b"", EVIL, EVIL),
    ],
)  # fmt: skip
def test_texts_of_files_are_no_html(html):
    assert "<script" not in html and "<img" not in html
    seen = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: seen.append((tag, dict(attributes)))
    parser.feed(html)
    assert {tag for tag, _ in seen} <= {"div", "b", "table", "tr", "th", "td", "audio", "a"}
    assert not any(name.startswith("on") for _, attributes in seen for name in attributes)
