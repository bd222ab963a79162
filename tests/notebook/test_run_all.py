"""The notebooks from first to last cell, with Colab's package versions and a stand-in for Colab."""

import os
import shutil
import tarfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from support.notebook_copies import build_wheel, copy_notebook, kernel_environment

pytest.importorskip("torch")
nbclient = pytest.importorskip("nbclient")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FAKE_COLAB = Path(__file__).parent / "fake_colab"


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """A machine as Colab lends it: a disk that is lost, and a Drive that is not."""
    folder = tmp_path_factory.mktemp("colab")
    environment = kernel_environment(folder / "kernel", build_wheel(folder))
    environment["PONYTACO_CONTENT"] = str(folder / "content")
    environment["PYTHONPATH"] += f":{FAKE_COLAB}"
    mount = folder / "content" / "drive"
    # A shared folder, of which the user has added a shortcut.
    shared = mount / ".shortcut-targets-by-id" / "1SWIe" / "soundtools/data/audio-trimmed-22khz"
    shared.mkdir(parents=True)
    from data_prep.demo.espeak import write_demo_archive

    write_demo_archive(shared / "Demo.tar", n_clips=24)
    return SimpleNamespace(
        folder=folder,
        environment=environment,
        content=folder / "content",
        drive=mount / "MyDrive",
        archive=shared / "Demo.tar",
    )


def run_all(colab, name, fields=None, extra=""):
    """Execute a notebook, and return what each cell wrote."""
    path = copy_notebook(name, colab.folder, fields or {})
    notebook = nbformat.read(path, as_version=4)
    if extra:
        notebook.cells.append(nbformat.v4.new_code_cell(extra))
    # Elsewhere than in the checkout, whose packages would be found before the installed ones.
    place = {"metadata": {"path": str(colab.folder)}}
    client = nbclient.NotebookClient(notebook, timeout=150, kernel_name="python3", resources=place)
    client.execute(env={**os.environ, **colab.environment})
    return [written(cell) for cell in notebook.cells if cell.cell_type == "code"]


def written(cell):
    parts = []
    for output in cell.outputs:
        parts.append(output.get("text", ""))
        parts.append(output.get("data", {}).get("text/html", ""))
    return "\n".join(parts)


def lose_the_disk(colab):
    """What a disconnect does."""
    for path in colab.content.iterdir():
        if path.name != "drive":
            shutil.rmtree(path)


def test_the_notebooks_from_first_to_last_cell(colab):
    training = {"preset": "tiny", "batch_size": "4"}
    voice = colab.drive / "colab" / "Demo"

    first = run_all(colab, "Training.ipynb", {**training, "name": "Demo", "max_steps": "24"})
    assert "is installed" in first[0]
    assert "Mounted at" in first[1] and "colab in your Drive" in first[1]
    assert "Picked Demo" in first[3]
    assert "Kept 24 of 24 clips" in first[4] and "<img" in first[4]
    assert first[5].count("<audio") == 3
    assert "Starting Demo" in first[6] and "Finished: step 24" in first[6]
    assert "<audio" in first[7] and "How the attention grew" in first[7]
    assert (voice / "current_model").is_file() and (voice / "best_model").is_file()
    assert (voice / "alignment.gif").read_bytes().startswith(b"GIF89a")

    # Disconnected; the page is opened again, all is run, and nothing is touched.
    lose_the_disk(colab)
    again = run_all(colab, "Training.ipynb", {"wait_seconds": 1, "max_steps": "34"})
    assert "Picked Demo (trained to step 24" in again[3]
    assert again[6].startswith("Resuming Demo at step 24")
    assert "Finished: step 34" in again[6]

    spoken = run_all(
        colab,
        "Inference.ipynb",
        {"text": "A <b>bold</b> day.", "download": True},
        'notebook.speak_lines(voice, "One line.\\n\\nAnd another.\\n???")\n'
        "import ponytaco; print(ponytaco.__file__)",
    )
    assert "Demo is ready to speak" in spoken[2]
    assert "<audio" in spoken[3] and "Downloading" in spoken[3]
    assert "A &lt;b&gt;bold" in spoken[3] and "<b>bold" not in spoken[3]
    assert str(colab.folder / "kernel" / "installed") in spoken[5]
    assert "2 of 3 lines" in spoken[5] and "left out" in spoken[5]
    assert (voice / "speech" / "lines.zip").is_file()

    write_recordings(colab.archive, colab.drive / "my recordings")
    packed = run_all(colab, "Prepare.ipynb", {"character": "Me"})
    assert "Packed 5 clips" in packed[3] and "has no lost.txt beside it" in packed[3]
    assert "Kept 5 of 5 clips" in packed[4]
    saved = colab.drive / "soundtools/data/audio-trimmed-22khz/Me.tar"
    assert str(saved) in packed[5] and saved.is_file()


def write_recordings(archive, folder):
    """Five of the demo's clips as somebody's own recordings, and one without a text."""
    folder.mkdir()
    with tarfile.open(archive) as tar:
        sounds = [m for m in tar.getmembers() if m.name.endswith("audio.wav")][:5]
        for number, member in enumerate(sounds):
            sound = tar.extractfile(member).read()
            (folder / f"{number}.wav").write_bytes(sound)
            (folder / f"{number}.txt").write_text(f"This is text number {number}.")
    shutil.copy(folder / "0.wav", folder / "lost.wav")
