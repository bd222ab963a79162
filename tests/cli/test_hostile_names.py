"""Commands on folders and archives whose names and texts would steer the terminal."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from support.paths import ROOT

from data_prep.archive_writer import ArchiveWriter
from data_prep.audio import SAMPLE_RATE
from data_prep.labels import make_label
from ponytaco.cli import main

EVIL = "\x1b[2J\x1b]0;pwned\x07\u202e\nTraining is finished.\r\x9b31m\u2028\u200b"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no file has such a name there")


def is_harmless(said):
    return all(line.isprintable() for line in said.split("\n"))


def no_line_is_forged(said):
    return not any(line.startswith("Training is finished") for line in said.splitlines())


def tone(n=30_000):
    return (0.3 * np.sin(np.arange(n) / 20)).astype(np.float32)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / f"{EVIL}.tar"
    with ArchiveWriter(path) as writer:
        for i in range(4):
            label = make_label(f"Text {i}{EVIL}", 1.0, EVIL, EVIL, tags=[EVIL])
            writer.add(f"{EVIL}{i}", tone() * (1 - i / 10), SAMPLE_RATE, label)
        writer.add(EVIL, tone(), SAMPLE_RATE, {"utterance": {"content": EVIL}, "tags": ["Singing"]})
    return path


def test_list_prepare_and_pack(archive, tmp_path, capfd):
    assert main(["list", str(tmp_path)]) == 0
    assert main(["prepare", str(archive), str(tmp_path / EVIL)]) == 0
    assert main(["prepare", str(archive), str(tmp_path / EVIL), "--skip-tags", EVIL]) == 1
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (EVIL, "good"):
        soundfile.write(folder / f"{name}.wav", tone(), 22_050)
    (folder / "good.txt").write_text("Good.")
    assert main(["pack", str(folder), str(tmp_path / "x.tar"), "--character", "Me"]) == 0
    assert main(["pack", str(folder), str(tmp_path / "y.tar"), "--character", EVIL]) == 1
    (folder / "metadata.csv").write_text(f'"{EVIL}",Text.\ngood,Text.\n')
    assert main(["pack", str(folder), str(tmp_path / "z.tar"), "--character", "Me"]) == 0
    out, err = capfd.readouterr()
    assert is_harmless(out) and no_line_is_forged(out)
    bars, messages = err.split("\r"), [line for line in err.split("\n") if "\r" not in line]
    assert all(map(is_harmless, messages)) and no_line_is_forged(err.replace("\r", "\n"))
    assert not any("\x1b" in bar for bar in bars)


def test_datasets_and_settings(tmp_path, capsys):
    folder = tmp_path / "data"
    (folder / "wavs").mkdir(parents=True)
    (folder / "train.txt").write_text(f"wavs/{EVIL}.wav|Hi.\n", newline="")
    (folder / "val.txt").write_text("wavs/b.wav|Hi.\n")
    run = str(tmp_path / "run")
    assert main(["train", str(folder), run, "--preset", "tiny"]) == 1
    assert main(["train", str(folder), run, "--set", f"{EVIL}=1"]) == 1
    assert main(["train", str(folder), run, "--set", f"hop_length={EVIL}"]) == 1
    (tmp_path / "config.json").write_text(json.dumps({EVIL: {EVIL: 1}}))
    assert main(["train", str(folder), run, "--config", str(tmp_path / "config.json")]) == 1
    (tmp_path / "words.txt").write_text(f"WORD{EVIL}  XX\n", newline="")
    for words in (["speak", EVIL, "Hi."], ["evaluate", EVIL], ["export", EVIL, "--to", "bundle"]):
        assert main(words) == 1
    with pytest.raises(SystemExit):
        main(["bench", EVIL])
    out, err = capsys.readouterr()
    assert is_harmless(out + err) and no_line_is_forged(out + err)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize(
    "words",
    [["--help"], ["train", "--help"], ["speak", "☻ \u202e", "☻"], ["list", "日本"], ["list", "."]],
    ids=lambda words: ascii(words[:2]),
)
def test_any_encoding_of_the_terminal_will_do(tmp_path, encoding, words):
    (tmp_path / "日本 ☻.tar").write_bytes(b"")
    environment = os.environ | {"PYTHONIOENCODING": f"{encoding}:strict", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-m", "ponytaco", *words],
        capture_output=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert ran.returncode in (0, 1) and b"Traceback" not in ran.stderr + ran.stdout
