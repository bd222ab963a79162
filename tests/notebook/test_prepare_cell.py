import json
import shutil

from data_prep.demo.espeak import write_demo_archive
from ponytaco.notebook.character_notes import read_notes
from ponytaco.notebook.prepare_cell import listen_to_clips, prepare_clips, show_report
from ponytaco.notebook.storage import Storage


def test_clips_are_shown_with_their_texts_escaped(fake_dataset, tmp_path, monkeypatch):
    folder = shutil.copytree(fake_dataset, tmp_path / "Beeps")
    lines = (folder / "train.txt").read_text().splitlines()
    evil = [line.split("|")[0] + "|<script>alert(1)</script> bad day." for line in lines]
    (folder / "train.txt").write_text("\n".join(evil) + "\n")
    shown = []
    monkeypatch.setattr("ponytaco.notebook.prepare_cell.show_html", shown.append)
    listen_to_clips(folder, count=2)
    assert len(shown) == 4
    assert "<audio" in shown[0] and "<img" in shown[1]
    assert not any("<script" in html for html in shown)


def test_a_report_in_words(fake_dataset, capsys):
    report = {
        "kept": 14, "clips": 17, "minutes": 0.2, "train": 11, "val": 3, "with_arpabet": 14,
        "alignments": {"kept": 11, "dropped": 0, "without_phones": 3},
        "rejected": {"too short": 3}, "rejected_examples": {"too short": ["a<b>: 0.1 s"]},
    }  # fmt: skip
    show_report(fake_dataset, report)
    printed = capsys.readouterr().out
    assert "Kept 14 of 17 clips" in printed and "not much speech" in printed
    assert "3  too short  a<b>: 0.1 s" in printed


def test_clips_are_prepared_shown_and_noted(tmp_path, capsys):
    archive = tmp_path / "Demo.tar"
    write_demo_archive(archive, n_clips=4)
    storage = Storage(root=tmp_path, disk=tmp_path)
    dataset = prepare_clips(storage, archive, "Demo", style_signs=True)
    assert dataset == storage.dataset("Demo") and (dataset / "train.txt").is_file()
    report = json.loads((dataset / "report.json").read_text(encoding="utf-8"))
    assert report["options"]["style_signs"]
    assert "Kept 4 of 4 clips" in capsys.readouterr().out
    assert read_notes(storage)["Demo"] == {"minutes": report["minutes"], "clips": 4}
