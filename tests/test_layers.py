"""The packages' layers, read off their import statements."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import ponytaco

ROOT = Path(__file__).resolve().parents[1]

# A folder, or a module beside the folders, imports only from those to the left of its own layer;
# the modules of one folder may import each other.
LAYERS = (
    {"printable"},
    {"errors", "hparams"},
    {"config"},
    {"presets"},
    {"device", "formatting", "timing", "plotting"},
    {"io"},
    {"audio", "text", "metrics", "losses"},
    {"model"},
    {"runs"},
    {"checkpoint", "vocoders", "judges"},
    {"data"},
    {"training", "synthesis"},
    {"evaluation", "export"},
    {"cli", "notebook"},
)
LAYER_OF = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
# Beside the layers: the public API, which imports lazily, and the door of `python -m ponytaco`.
DOORS = {"ponytaco", "ponytaco.__main__"}

# What data_prep may import of ponytaco: nothing in it loads torch.
TORCH_FREE = (
    "ponytaco.printable",
    "ponytaco.errors",
    "ponytaco.formatting",
    "ponytaco.io.atomic",
    "ponytaco.io.locks",
    "ponytaco.io.names",
    "ponytaco.io.strangers",
    "ponytaco.io.text_files",
    "ponytaco.text",
)

# What only a notebook has; ponytaco must also work without.
NOTEBOOK_ONLY = ("IPython", "ipywidgets", "google.colab", "jupyter_ui_poll")


def module_name(path):
    """'ponytaco.model.decoder' for that file; a package's __init__ has the package's name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(source, module, is_package=False):
    """The full names that a source imports, wherever the statement stands.

    ``from a import b`` counts as ``a.b``, for b may be a module.
    """
    package = module if is_package else module.rpartition(".")[0]
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                names.update(alias.name for alias in node.names)
            case ast.ImportFrom():
                base = "." * node.level + (node.module or "")
                base = importlib.util.resolve_name(base, package) if node.level else base
                names.update(f"{base}.{alias.name}" for alias in node.names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                names.add(name)
    return names


def imports_of(path):
    source = path.read_text(encoding="utf-8")
    return imported(source, module_name(path), path.name == "__init__.py")


def is_or_is_in(name, package):
    return name == package or name.startswith(f"{package}.")


def room_of(name):
    """'model' for 'ponytaco.model.decoder.Decoder'; None for what ponytaco/__init__ itself has."""
    parts = name.split(".")
    if len(parts) == 1:
        return None
    folder = ROOT / parts[0]
    is_module = (folder / f"{parts[1]}.py").is_file() or (folder / parts[1]).is_dir()
    return parts[1] if is_module or parts[1] in LAYER_OF else None


def upward_imports(module, names):
    """What a module of ponytaco imports from its own layer or from above, in sentences."""
    room = room_of(module)
    breaches = []
    for other in sorted(
        {room_of(name) for name in names if is_or_is_in(name, "ponytaco")} - {None}
    ):
        if other == room:
            continue
        if other not in LAYER_OF:
            breaches.append(not_in_the_table(f"ponytaco.{other}"))
        elif room is None or LAYER_OF[other] >= LAYER_OF[room]:
            own = "no layer" if room is None else f"layer {LAYER_OF[room]}"
            breaches.append(
                f"{module} is of {own} and imports ponytaco.{other} of layer {LAYER_OF[other]}."
            )
    return breaches


def not_in_the_table(module):
    return f"{module} is in no layer: add it to LAYERS in tests/test_layers.py."


PONYTACO = sorted((ROOT / "ponytaco").rglob("*.py"))
DATA_PREP = sorted((ROOT / "data_prep").rglob("*.py"))


def test_there_is_something_to_check():
    assert len(PONYTACO) > 15
    assert len(DATA_PREP) > 5


@pytest.mark.parametrize("path", PONYTACO, ids=module_name)
def test_a_module_imports_only_from_below(path):
    module = module_name(path)
    if module in DOORS:
        return
    assert room_of(module) in LAYER_OF, not_in_the_table(module)
    breaches = upward_imports(module, imports_of(path))
    assert not breaches, "\n".join(breaches)


def test_the_public_api_imports_nothing_until_a_name_is_used():
    """And type checkers see each name where the table says that it is."""
    body = ast.parse((ROOT / "ponytaco" / "__init__.py").read_text(encoding="utf-8")).body
    (checked,) = (
        n for n in body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"
    )
    lazy = {f"{module}.{name}" for name, module in ponytaco._MODULES.items()}
    assert imported(ast.unparse(checked), "ponytaco", is_package=True) == lazy
    body.remove(checked)
    eager = imported(ast.unparse(ast.Module(body, [])), "ponytaco", is_package=True)
    assert {name.partition(".")[0] for name in eager} <= sys.stdlib_module_names


def test_the_command_is_all_that_the_door_opens():
    assert imports_of(ROOT / "ponytaco" / "__main__.py") == {"ponytaco.cli.main"}


@pytest.mark.parametrize("path", PONYTACO + DATA_PREP, ids=module_name)
def test_our_own_modules_pass_by_the_public_api(path):
    """It would lead from any layer to any other."""
    of_the_door = {name for name in imports_of(path) if name.count(".") <= 1 and not room_of(name)}
    assert {n for n in of_the_door if is_or_is_in(n, "ponytaco")} <= {"ponytaco.__version__"}


@pytest.mark.parametrize("path", PONYTACO, ids=module_name)
def test_only_the_top_layer_knows_data_prep_and_the_command_line_only_its_commands(path):
    if is_or_is_in(module_name(path), "ponytaco.notebook"):  # it wraps what cells call
        return
    allowed = {"data_prep.__main__"} if is_or_is_in(module_name(path), "ponytaco.cli") else set()
    known = {name for name in imports_of(path) if is_or_is_in(name, "data_prep")}
    assert {name.rpartition(".")[0] for name in known} <= allowed


@pytest.mark.parametrize("path", DATA_PREP, ids=module_name)
def test_data_prep_imports_no_torch_and_of_ponytaco_only_what_is_free_of_it(path):
    forbidden = ("ponytaco", "torch", "torchaudio")
    assert not [
        n
        for n in imports_of(path)
        if any(is_or_is_in(n, package) for package in forbidden)
        and not any(is_or_is_in(n, package) for package in TORCH_FREE)
    ]


def test_nothing_that_data_prep_imports_loads_torch():
    """And no librosa, which takes a second: it is imported where something is resampled."""
    of_ponytaco = [
        module_name(path)
        for path in PONYTACO
        if any(is_or_is_in(module_name(path), package) for package in TORCH_FREE)
    ]
    modules = [*map(module_name, DATA_PREP), *of_ponytaco]
    assert len(modules) > 20
    code = (
        f"import importlib, sys; [importlib.import_module(name) for name in {modules}]; "
        "print(*{'torch', 'torchaudio', 'librosa'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == []


def test_only_tacotron2_takes_the_model_config():
    readers = {
        module_name(path)
        for path in (ROOT / "ponytaco" / "model").rglob("*.py")
        if any(is_or_is_in(name, "ponytaco.config") for name in imports_of(path))
    }
    assert readers == {"ponytaco.model.tacotron2"}


@pytest.mark.parametrize("path", PONYTACO + DATA_PREP, ids=module_name)
def test_only_the_notebook_knows_notebooks(path):
    if is_or_is_in(module_name(path), "ponytaco.notebook"):
        return
    assert not [n for n in imports_of(path) if any(is_or_is_in(n, m) for m in NOTEBOOK_ONLY)]


def test_no_module_is_in_two_layers():
    assert sum(map(len, LAYERS)) == len(LAYER_OF)


def test_imports_are_found_wherever_they_stand():
    source = """
import os, ponytaco.audio.wav as sound
from ponytaco import timing, __version__
from .layers import ConvNorm
from ..runs import folder
if TYPE_CHECKING:
    from ponytaco.synthesis.voice import Voice
def f():
    from google.colab import drive
    importlib.import_module("ponytaco.cli")
"""
    assert imported(source, "ponytaco.model.postnet") == {
        "os",
        "ponytaco.audio.wav",
        "ponytaco.timing",
        "ponytaco.__version__",
        "ponytaco.model.layers.ConvNorm",
        "ponytaco.runs.folder",
        "ponytaco.synthesis.voice.Voice",
        "google.colab.drive",
        "ponytaco.cli",
    }
    assert imported("from . import layers", "ponytaco.model", is_package=True) == {
        "ponytaco.model.layers"
    }


@pytest.mark.parametrize(
    ("module", "name", "n_breaches"),
    [
        ("ponytaco.audio.wav", "ponytaco.config.AudioConfig", 0),
        ("ponytaco.config", "ponytaco.audio.wav.load_wav", 1),
        ("ponytaco.audio.wav", "ponytaco.data.dataset_folder", 1),
        ("ponytaco.model.decoder", "ponytaco.model.layers", 0),
        ("ponytaco.model.decoder", "ponytaco.losses.mmi", 0),
        ("ponytaco.losses.gaf", "ponytaco.model.decoder", 1),
        ("ponytaco.model", "ponytaco.training.loop.train", 1),
        ("ponytaco.training", "ponytaco.training.validation.validate", 0),
        ("ponytaco.training.validation", "ponytaco.training.loop.train", 0),
        ("ponytaco.data.loader", "ponytaco.training.loop.train", 1),
        ("ponytaco.cli", "ponytaco.notebook", 1),
        ("ponytaco.cli", "ponytaco.__version__", 0),
        ("ponytaco.lost", "ponytaco.config", 1),
        ("ponytaco.losses.gaf", "torch.nn", 0),
    ],
)
def test_the_check_itself(module, name, n_breaches):
    assert len(upward_imports(module, {name})) == n_breaches


@pytest.mark.parametrize("path", PONYTACO + DATA_PREP, ids=module_name)
def test_files_by_strangers_are_opened_by_our_own_readers(path):
    """See SECURITY.md: what can run code, or write where a file says."""
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    forbidden = {"torch.load", "pickle.load", "pickle.loads", "eval", "exec"}
    forbidden |= {"pickle.Unpickler", "pickle._Unpickler"}
    forbidden |= {call for call in calls if call.endswith((".extractall", ".extract", ".unpack"))}
    forbidden -= {"struct.unpack"}
    assert not calls & forbidden
