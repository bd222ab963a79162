from pathlib import Path

import pytest
from support.fake_net import WEIGHTS

from ponytaco.cli import main
from ponytaco.io.download import DownloadError
from ponytaco.io.pretrained import PUBLISHED, cache_folder, fetch


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_have_two_places_and_a_limit(name):
    published = PUBLISHED[name]
    assert len(published.addresses) >= 2
    assert all(address.startswith("https://") for address in published.addresses)
    assert 10**8 < published.most_bytes <= 2 * 10**9
    assert Path(published.file_name).name == published.file_name


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(DownloadError, match="hifigan, waveglow, tacotron2"):
        fetch("wavenet")


def test_the_command(net, tmp_path, capsys, monkeypatch):
    net.held[PUBLISHED["hifigan"].addresses[0]] = WEIGHTS
    assert main(["fetch", "hifigan", "-o", str(tmp_path / "kept")]) == 0
    path = tmp_path / "kept" / PUBLISHED["hifigan"].file_name
    assert capsys.readouterr().out.splitlines()[-1] == str(path) and path.is_file()
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / ".cache" / "ponytaco"
    assert main(["fetch", "waveglow"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("ponytaco: WaveGlow") and "by hand:\n1. Open" in said
    assert str(cache_folder() / "waveglow_256channels_universal_v5.pt") in said
