"""The form of the notebooks, and that the names in their cells exist."""

import ast
import importlib.util
import inspect
import json
import re
import shutil

import nbformat
import pytest
from support.notebook_copies import NOTEBOOKS, ROOT, cells_of

import ponytaco.notebook

NAMES = ("Training.ipynb", "Inference.ipynb", "Prepare.ipynb")
# The install cell has to explain failures before ponytaco is there; test_install_cell.py tries it.
MOST_LINES, MOST_INSTALL_LINES = 12, 91
FORBIDDEN = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.AsyncFor,
    ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip

CODE_CELLS = [
    pytest.param(source, id=f"{name}-{number}")
    for name in NAMES
    for number, source in enumerate(cells_of(NOTEBOOKS / name), start=1)
    if number > 1
]


def load_home():
    spec = importlib.util.spec_from_file_location("set_home", ROOT / "tools" / "set_home.py")
    home = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(home)
    return home


home = load_home()


def content_of(name):
    return json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))


def test_there_are_these_notebooks():
    assert sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_is_valid_and_carries_no_outputs(name):
    nbformat.validate(nbformat.read(NOTEBOOKS / name, as_version=4))
    for cell in content_of(name)["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_colabs(name):
    metadata = content_of(name)["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert metadata.get("accelerator") == ("GPU" if name == "Training.ipynb" else None)
    for cell in content_of(name)["cells"]:
        if cell["cell_type"] == "code":
            assert cell["metadata"]["cellView"] == "form"


@pytest.mark.parametrize("name", NAMES)
def test_one_sentence_stands_above_each_cell(name):
    cells = content_of(name)["cells"]
    for above, cell in zip(cells, cells[1:], strict=False):
        if cell["cell_type"] != "code":
            continue
        assert above["cell_type"] == "markdown"
        text = "".join(above["source"])
        assert "\n" not in text
        assert re.fullmatch(r"[A-Z].*[.]", text)
        assert not re.search(r"[.!?] [A-Z]", text), f"more than one sentence: {text}"
    assert cells[0]["cell_type"] == "markdown"


@pytest.mark.parametrize("source", CODE_CELLS)
def test_a_cell_is_short_and_plain(source):
    lines = source.splitlines()
    assert len(lines) <= MOST_LINES
    assert re.fullmatch(r'# @title \d+\. .+ \{ display-mode: "form" \}', lines[0])
    found = [type(node).__name__ for node in ast.walk(ast.parse(source)) if type(node) in FORBIDDEN]
    assert not found


def test_titles_count_from_one():
    for name in NAMES:
        numbers = [int(re.search(r"\d+", source)[0]) for source in cells_of(NOTEBOOKS / name)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_the_install_cell_is_the_same_everywhere():
    (source,) = {cells_of(NOTEBOOKS / name)[0] for name in NAMES}
    assert len(source.splitlines()) <= MOST_INSTALL_LINES
    assert source.startswith('# @title 1. Install { display-mode: "form" }\n')
    assert not any("pip" in cell for name in NAMES for cell in cells_of(NOTEBOOKS / name)[1:])


def attribute_calls(tree):
    """(name, arguments) of each call of notebook.<name>."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="notebook"), attr=name)):
                yield name, len(node.args), [keyword.arg for keyword in node.keywords]


@pytest.mark.parametrize("source", CODE_CELLS)
def test_a_cell_calls_functions_of_the_notebook_folder_alone(source):
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="notebook"), attr=name):
                assert name in ponytaco.notebook.__all__
                assert hasattr(ponytaco.notebook, name)
            case ast.ImportFrom(module=str(module)):
                # Functions from elsewhere would not explain their errors.
                assert module == "ponytaco" and [a.name for a in node.names] == ["notebook"]
    for name, n_args, keywords in attribute_calls(tree):
        signature = inspect.signature(getattr(ponytaco.notebook, name))
        signature.bind(*range(n_args), **dict.fromkeys(keywords))


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_uses_only_what_stands_above(name):
    known = {"notebook"}  # the install cell brings it
    for source in cells_of(NOTEBOOKS / name)[1:]:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=defined, ctx=ast.Store()):
                    known.add(defined)
                case ast.alias():
                    known.add(node.asname or node.name.split(".")[0])
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert used <= known


# The repository's address


def test_the_address_is_the_same_everywhere():
    url = home.home_of((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for name in NAMES:
        text = (NOTEBOOKS / name).read_text(encoding="utf-8")
        assert f'address = \\"{url}\\"  # @param' in text
        assert home.badge_link(url, name).split("/blob/")[0] in text
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert home.badge_link(url, "Training.ipynb").split("/blob/")[0] in readme


@pytest.fixture
def checkout(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "README.md", tmp_path)
    (tmp_path / "notebooks").mkdir()
    for name in NAMES:
        shutil.copy(NOTEBOOKS / name, tmp_path / "notebooks")
    return tmp_path


def test_make_home_stamps_all_and_takes_it_back(checkout):
    url = "https://github.com/somepony/ponytaco"
    home.stamp(checkout, "")
    without = {path: path.read_text() for path in checkout.rglob("*") if path.is_file()}
    assert len(home.stamp(checkout, url)) == 5
    assert home.stamp(checkout, url) == []
    assert home.home_of((checkout / "pyproject.toml").read_text()) == url
    for name in NAMES:
        install = cells_of(checkout / "notebooks" / name)[0]
        assert f'address = "{url}"  # @param' in install
        badge = cells_of(checkout / "notebooks" / name, "markdown")[0]
        link = f"research.google.com/github/somepony/ponytaco/blob/main/notebooks/{name})"
        assert link in badge
    assert (
        "github/somepony/ponytaco/blob/main/notebooks/Training.ipynb"
        in (checkout / "README.md").read_text()
    )
    home.stamp(checkout, "")
    assert {path: path.read_text() for path in without} == without


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://github.com/somepony/taco.git", "https://github.com/somepony/taco"),
        ("https://github.com/somepony/taco/", "https://github.com/somepony/taco"),
        ("", ""),
    ],
)
def test_addresses_that_are_fine(given, kept):
    assert home.check_address(given) == kept


@pytest.mark.parametrize("url", ["github.com/a/b", 'https://github.com/a/b" evil', "ssh://x/y"])
def test_addresses_that_colab_cannot_open(url):
    with pytest.raises(ValueError, match="github.com/OWNER/REPO"):
        home.check_address(url)
