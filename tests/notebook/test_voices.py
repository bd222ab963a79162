import ast
import re
import shutil
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from ponytaco.notebook.batch_form import ask_for_lines, speak_lines
from ponytaco.notebook.characters import Character
from ponytaco.notebook.dataset_preview import listen_to_clips, show_packed, show_report
from ponytaco.notebook.environment import NotebookError
from ponytaco.notebook.recordings import own_recordings, save_archive
from ponytaco.notebook.speech_form import manner, text_of
from ponytaco.notebook.storage import Storage
from ponytaco.notebook.train_cell import train_voice
from ponytaco.notebook.training_form import Settings
from ponytaco.notebook.voices import pick_voice, speak, trained_voices
from ponytaco.notebook.widgets import html as page


@pytest.fixture
def storage(tmp_path, trained_run):
    storage = Storage(root=tmp_path, disk=tmp_path / "disk")
    shutil.copytree(trained_run.run.folder, storage.run("Beeps").folder)
    (storage.runs / "nothing here").mkdir()
    return storage


def test_a_voice_speaks_into_a_file(storage, capsys):
    voice = pick_voice(storage, "Beeps")
    wav = speak(voice, "Bad day.")
    assert wav.parent == storage.run("Beeps").folder / "speech"
    assert wav.read_bytes()[:4] == b"RIFF"
    assert speak(voice, "Bad day.") != wav  # nothing is overwritten within a second
    said = capsys.readouterr().out
    assert "Beeps is ready to speak" in said and "s of speech in" in said


def test_each_sentence_is_shown_and_the_whole(storage, monkeypatch):
    shown = []
    monkeypatch.setattr("ponytaco.notebook.voices.show_html", shown.append)
    speak(pick_voice(storage, "Beeps"), "Bad day. A <b>bee</b>! [the bee]")
    assert len(shown) == 3 + 2  # three sentences, the whole, and where it is
    assert all("<audio" in html for html in shown[:4])
    assert all("<img" in html for html in shown[:3])
    assert "A &lt;b&gt;bee" in shown[1] and not any("<b>" in html for html in shown)
    assert "[the bee] is not a style" in shown[3] and "Download" in shown[4]


def test_a_long_speech_is_no_load_on_the_page(storage, monkeypatch):
    shown = []
    monkeypatch.setattr("ponytaco.notebook.voices.show_html", shown.append)
    monkeypatch.setattr("ponytaco.notebook.voices._LONGEST_EMBEDDED_SECONDS", 0.5)
    monkeypatch.setattr("ponytaco.notebook.voices._MOST_PICTURES", 1)
    speak(pick_voice(storage, "Beeps"), "Bad day. Cake.")
    assert ["<img" in html for html in shown] == [True, False, False, False]
    assert "<audio" not in shown[2] and "Download" not in shown[3]


def test_the_form_says_how(storage):
    (storage.root / "mine.txt").write_text("PONY  P OW1\n")
    how = manner(storage, "happy", 3, 1.5, "griffin_lim", "mine.txt")
    assert (how.delivery.style, how.delivery.best_of, how.delivery.speed) == ("Happy", 3, 1.5)
    assert how.dictionaries == (storage.root / "mine.txt",)
    assert manner(storage).delivery.style == ""
    voice = pick_voice(storage, "Beeps")
    assert voice.open(how).speak("Pony.", max_seconds=0.1).spelled == []


def test_a_text_may_be_a_file(storage):
    (storage.root / "story.txt").write_bytes("Café.".encode())
    assert text_of(storage, "Field.", "story.txt") == "Café."
    assert text_of(storage, "Field.", " ") == "Field."
    (storage.root / "story.txt").write_bytes(b"\xe9")
    with pytest.raises(NotebookError, match="no text in UTF-8"):
        text_of(storage, "", "story.txt")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"style": "hapy"}, "Did you mean Happy"),
        ({"best_of": 0}, "best_of is 0"),
        ({"speed": 9}, "speed is 9"),
        ({"dictionary": "nowhere.txt"}, "no file .*nowhere.txt"),
    ],
)
def test_a_form_that_cannot_be(storage, fields, said):
    with pytest.raises(NotebookError, match=said):
        manner(storage, **fields)


def test_nothing_to_say_is_said(storage):
    with pytest.raises(NotebookError, match="no text to speak"):
        speak(pick_voice(storage, "Beeps"), "  ")


def test_the_newest_voice_comes_first(storage, trained_run):
    shutil.copytree(trained_run.run.folder, storage.run("Newer").folder)
    storage.run("Newer").best_model.touch()
    assert [voice.name for voice in trained_voices(storage)] == ["Newer", "Beeps"]


def test_no_voices_and_unknown_voices(storage, tmp_path):
    with pytest.raises(NotebookError, match="There are: Beeps"):
        pick_voice(storage, "Nopony")
    with pytest.raises(NotebookError, match=r"Train one with Training\.ipynb"):
        pick_voice(Storage(root=tmp_path / "empty", disk=tmp_path))


def test_lines_become_a_zip(storage, capsys):
    path = speak_lines(pick_voice(storage, "Beeps"), "Bad day!\n\n???\n../../Bee <b>\n")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["001_bad-day.wav", "003_bee-b.wav"]
        assert archive.read("001_bad-day.wav")[:4] == b"RIFF"
    said = capsys.readouterr().out
    assert "left out" in said and "2 of 3 lines" in said


def test_no_lines_are_said(storage):
    with pytest.raises(NotebookError, match="no lines"):
        speak_lines(pick_voice(storage, "Beeps"), "\n \n")


def test_a_terminal_has_no_text_box(storage, capsys):
    ask_for_lines(pick_voice(storage, "Beeps"))
    assert "speak_lines(voice" in capsys.readouterr().out


def test_clips_are_shown_with_their_texts_escaped(fake_dataset, tmp_path, monkeypatch):
    folder = shutil.copytree(fake_dataset, tmp_path / "Beeps")
    lines = (folder / "train.txt").read_text().splitlines()
    evil = [line.split("|")[0] + "|<script>alert(1)</script> bad day." for line in lines]
    (folder / "train.txt").write_text("\n".join(evil) + "\n")
    shown = []
    monkeypatch.setattr("ponytaco.notebook.dataset_preview.show_html", shown.append)
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
    said = capsys.readouterr().out
    assert "Kept 14 of 17 clips" in said and "little speech" in said
    assert "3  too short  a<b>: 0.1 s" in said


def test_what_packing_left_out(capsys):
    show_packed(SimpleNamespace(clips=3, seconds=90.0, left_out=tuple(map(str, range(20)))))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Packed 3 clips, 1.5 minutes."
    assert said[-1] == "Left out 8 more for such reasons."


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


# Own recordings


@pytest.mark.parametrize(
    ("place", "character", "said"),
    [
        ("", "Me", "Fill in where"),
        ("nowhere", "Me", "There is no"),
        ("clip.zip", "Me", "neither a folder nor a .tar"),
        ("mine", "../Me", "cannot name a voice"),
        ("mine", "", "cannot name a voice"),
    ],
)
def test_wrong_fields_are_said(tmp_path, place, character, said):
    (tmp_path / "mine").mkdir()
    (tmp_path / "clip.zip").write_bytes(b"")
    with pytest.raises(NotebookError, match=said):
        own_recordings(Storage(root=tmp_path, disk=tmp_path), place, character)


def test_a_folder_or_a_tar_is_taken_and_saved(tmp_path, capsys):
    storage = Storage(root=tmp_path / "drive", disk=tmp_path / "disk")
    (storage.root / "mine").mkdir(parents=True)
    assert own_recordings(storage, "mine", "Me") == storage.root / "mine"
    (storage.root / "Me.tar").write_bytes(b"tar")
    tar = own_recordings(storage, "Me.tar", "Twilight Sparkle")
    target = save_archive(storage, tar, "Me")
    (storage.root / "Me.tar").write_bytes(b"new")  # as long as the old one
    assert save_archive(storage, tar, "Me") == target
    assert target.read_bytes() == b"new"
    assert save_archive(storage, target, "Me") == target and target.read_bytes() == b"new"


# Training as plain text, and errors


def test_training_in_a_terminal(fake_dataset, tmp_path, capsys):
    storage = Storage(root=tmp_path / "root", disk=tmp_path / "disk")
    shutil.copytree(fake_dataset, storage.dataset("Beeps"))
    form = Settings("tiny", "4", save_every_minutes=5)
    assert train_voice(Character("Beeps"), storage, form, "20", tensorboard=True).finished
    said = capsys.readouterr().out
    assert said.index("Starting Beeps") < said.index("step 10 of 20: attention not checked yet")
    assert "alignment.gif" in said and "--logdir" in said
    assert list((storage.disk / "tensorboard" / "Beeps").glob("events.out.*"))
    again = train_voice(Character("Beeps"), storage, Settings(), "21")
    assert again.step == 21  # with the settings the run began with
    assert "Resuming Beeps at step 20" in capsys.readouterr().out
