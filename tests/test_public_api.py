import importlib
import shutil
import subprocess
import sys

import pytest

import ponytaco

HOMES = {
    "Config": "ponytaco.config",
    "PonytacoError": "ponytaco.errors",
    "Voice": "ponytaco.synthesis.voice",
    "load_checkpoint": "ponytaco.checkpoint.format",
    "preset": "ponytaco.presets",
    "train": "ponytaco.training.loop",
}


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_names():
    assert set(ponytaco.__all__) == {*HOMES, "__version__"}
    assert set(ponytaco.__all__) <= set(dir(ponytaco))


@pytest.mark.parametrize("name", HOMES)
def test_a_name_is_what_its_module_has(name, monkeypatch):
    home = importlib.import_module(HOMES[name])
    assert getattr(ponytaco, name) is getattr(home, name)
    monkeypatch.setattr(home, name, "another")  # nothing is kept that could grow stale
    assert getattr(ponytaco, name) == "another"


def test_importing_it_loads_nothing_heavy():
    code = "import sys, ponytaco; dir(ponytaco); print(*{'torch', 'numpy'} & set(sys.modules))"
    assert run(code) == []


def test_light_names_stay_light():
    names = "Config, PonytacoError, __version__, preset"
    code = f"import sys; from ponytaco import {names}; print('torch' in sys.modules)"
    assert run(code) == ["False"]


@pytest.mark.slow
def test_a_star_imports_them_all():
    assert set(run("from ponytaco import *; print(*dir())")) >= set(ponytaco.__all__)


@pytest.mark.slow
def test_modules_are_imported_as_ever():
    code = "from ponytaco import config, notebook; import ponytaco.cli; print(config.__name__)"
    assert run(code) == ["ponytaco.config"]


def test_a_misspelt_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ponytaco' has no attribute 'Vocie'"):
        _ = ponytaco.Vocie
    assert not hasattr(ponytaco, "_nothing")
    with pytest.raises(ImportError, match="Vocie"):
        exec("from ponytaco import Vocie")


def test_paths_may_be_strings(trained_run, fake_dataset, tmp_path):
    run = shutil.copytree(trained_run.run.folder, tmp_path / "run")
    assert ponytaco.load_checkpoint(f"{run}/current_model").run_state.step == 60
    result = ponytaco.train(
        str(fake_dataset), str(run), trained_run.config, log=lambda message: None
    )
    assert result.finished and result.step == 60
