import sys
import types

import pytest

from ponytaco.io.download import DownloadError
from ponytaco.io.pretrained import PUBLISHED
from ponytaco.notebook import public_archives as archives_module
from ponytaco.notebook.public_archives import (
    ADD_THE_SHORTCUT,
    MOST_ARCHIVE_BYTES,
    PublicArchive,
    download_archive,
    list_public_archives,
)


def fake_gdown(monkeypatch, **functions):
    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(**functions))


def files_at(*paths):
    return [types.SimpleNamespace(id=str(i), path=path) for i, path in enumerate(paths)]


def test_only_archives_are_listed_by_their_last_names(monkeypatch):
    listed = files_at("Zecora.tar", "../../evil/Apple.tar", "readme.txt")
    fake_gdown(monkeypatch, download_folder=lambda **options: listed)
    assert list_public_archives() == [
        PublicArchive("0", "Zecora.tar"),
        PublicArchive("1", "Apple.tar"),
    ]


def test_older_gdowns_are_asked_for_more_than_fifty(monkeypatch):
    asked = []

    def older(id=None, quiet=False, remaining_ok=False, skip_download=False):
        asked.append(remaining_ok)
        return files_at("Zecora.tar")

    fake_gdown(monkeypatch, download_folder=older)
    list_public_archives()
    assert asked == [True]


def test_newer_gdowns_list_folders_without_an_option_of_the_older(monkeypatch):
    def newer(id=None, skip_download=False, quiet=False):
        return files_at("Zecora.tar")

    fake_gdown(monkeypatch, download_folder=newer)
    assert [archive.name for archive in list_public_archives()] == ["Zecora.tar"]


def test_a_folder_that_cannot_be_listed_is_one_line(monkeypatch):
    def refuse(**options):
        raise RuntimeError("Cannot be\n\tretrieved.")

    fake_gdown(monkeypatch, download_folder=refuse)
    with pytest.raises(DownloadError, match=r"listed \(Google Drive does not .*\)\. ") as error:
        list_public_archives()
    assert str(error.value).endswith(ADD_THE_SHORTCUT) and "\n" not in str(error.value)


def test_an_archive_that_does_not_come_is_named_after_its_character(tmp_path, monkeypatch):
    def web_page(id, output, quiet):
        output.write(b"<html>")

    fake_gdown(monkeypatch, download=web_page)
    with pytest.raises(DownloadError, match="Zecora's archive could not be downloaded .a web page"):
        download_archive(PublicArchive("the-id", "Zecora.tar"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_archives_have_a_higher_limit_than_weights(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(archives_module, "download", lambda *args, **options: seen.update(options))
    download_archive(PublicArchive("the-id", "Zecora.tar"), tmp_path)
    assert seen == {"most_bytes": MOST_ARCHIVE_BYTES}
    assert max(published.most_bytes for published in PUBLISHED.values()) < MOST_ARCHIVE_BYTES
