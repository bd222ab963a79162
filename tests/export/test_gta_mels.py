import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ponytaco.checkpoint.format import Checkpoint, load_checkpoint, new_model, save_checkpoint
from ponytaco.cli import main
from ponytaco.data.dataset import open_datasets
from ponytaco.data.dataset_folder import FilelistError, read_dataset
from ponytaco.data.loader import collate
from ponytaco.data.sampler import Pick
from ponytaco.export.gta_mels import MelsError, write_mels
from ponytaco.presets import preset
from ponytaco.runs.folder import Run, RunError
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS


def a_voice(folder, dataset, **settings):
    """It has learnt nothing, which is enough here."""
    torch.manual_seed(0)
    config = preset("tiny").replace(batch_size=4, device="cpu", **settings)
    run = Run(folder)
    run.prepare()
    model = new_model(config)
    for _ in range(3):  # batch norm that has seen something
        model.postnet(torch.randn(2, 80, 50) - 5)
    checkpoint = Checkpoint(
        config, model.state_dict(), SYMBOLS, CTC_SYMBOLS, torch.zeros(80), dataset=str(dataset)
    )
    save_checkpoint(run.best_model, checkpoint)
    return run


@pytest.fixture(scope="module")
def run(fake_dataset, tmp_path_factory):
    return a_voice(tmp_path_factory.mktemp("mels") / "Beeps", fake_dataset)


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    return write_mels(run, tmp_path_factory.mktemp("out") / "mels", device="cpu")


def test_every_clip_has_a_mel_as_long_as_its_sound(written, fake_dataset):
    wavs = sorted((fake_dataset / "wavs").glob("*.wav"))
    assert [path.name for path in sorted(written.folder.glob("*.npy"))] == [
        f"{wav.stem}.npy" for wav in wavs
    ]
    n_frames = 0
    for wav in wavs:
        mel = np.load(written.folder / f"{wav.stem}.npy", allow_pickle=False)
        assert mel.dtype == np.float32
        assert mel.shape == (80, soundfile.info(wav).frames // 256)
        assert np.isfinite(mel).all() and mel.flags.c_contiguous
        n_frames += mel.shape[1]
    assert (written.n_clips, written.n_frames) == (len(wavs), n_frames)


def test_hifigan_finds_what_the_lists_name(written, fake_dataset):
    """As its get_dataset_filelist and its MelDataset put paths together."""
    for path, name in ((written.training_list, "train.txt"), (written.validation_list, "val.txt")):
        names = [line.split("|")[0] for line in path.read_text().split("\n") if line]
        clips = (fake_dataset / name).read_text().splitlines()
        assert len(names) == len(clips)
        for ref, clip in zip(names, clips, strict=True):
            assert written.wavs / f"{ref}.wav" == fake_dataset / clip.split("|")[0]
            assert (written.folder / f"{ref.split('/')[-1]}.npy").is_file()


def test_a_clip_is_what_the_voice_makes_of_it_alone(fake_dataset, tmp_path):
    """Fed the true frames, and without what longer clips of its batch would add to its end."""
    run = a_voice(tmp_path / "run", fake_dataset, p_prenet_dropout=0.0)
    written = write_mels(run, device="cpu")
    assert written.folder == run.folder / "mels"
    checkpoint = load_checkpoint(run.best_model)
    model, config = checkpoint.build_model(), checkpoint.config
    data = open_datasets(
        read_dataset(fake_dataset), config.audio, checkpoint.symbols, config.train.cleaner
    )
    for i, clip in enumerate(data.train.clips):
        batch = collate([data.train[Pick(i, use_arpabet=True)]])
        with torch.no_grad():
            out = model(batch.text, batch.text_lengths, batch.mel, batch.mel_lengths)
        mel = torch.from_numpy(np.load(written.folder / f"{clip.path.stem}.npy"))
        torch.testing.assert_close(mel, out.mel_postnet[0, :, :-1], rtol=0, atol=1e-4)


def test_the_same_again_is_the_same(run, written, tmp_path):
    torch.manual_seed(99)
    again = write_mels(run, tmp_path, device="cpu")
    for path in written.folder.glob("*.npy"):
        assert np.array_equal(np.load(path), np.load(again.folder / path.name))


def test_the_command(run, tmp_path, capsys, fake_dataset):
    assert main(["mels", str(run.folder), "--out", str(tmp_path / "m"), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "14 mels" in said and "--fine_tuning True" in said
    (line,) = [line for line in said.splitlines() if "train.py" in line]
    words = shlex.split(line)
    assert words[:2] == ["python", "train.py"]
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert options["--input_wavs_dir"] == str((fake_dataset / "wavs").resolve())
    assert options["--input_mels_dir"] == str((tmp_path / "m").resolve())
    assert {"--config", "--checkpoint_path"} <= options.keys() and "do_" in said
    assert sorted(path.suffix for path in (tmp_path / "m").iterdir()) == [".npy"] * 14 + [
        ".txt", ".txt"
    ]  # fmt: skip


def test_the_command_has_whole_paths_in_quotes(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["mels", str(run.folder), "--out", "my mels", "--device", "cpu"]) == 0
    assert f"--input_mels_dir '{tmp_path.resolve()}/my mels'" in capsys.readouterr().out


@pytest.mark.parametrize(("n_frames", "is_kept"), [(32, False), (33, True), (2, False)])
def test_clips_too_short_for_hifigans_segments_are_left_out(
    run, fake_dataset, tmp_path, n_frames, is_kept
):
    """It draws where a segment of 32 frames begins from 0 to the mel's length - 33."""
    folder = shutil.copytree(fake_dataset, tmp_path / "data")
    name = (folder / "train.txt").read_text().partition("|")[0]
    sound, rate = soundfile.read(folder / name, dtype="int16")
    soundfile.write(folder / name, np.resize(sound, n_frames * 256 + 255), rate)
    written = write_mels(run, tmp_path / "out", folder, "cpu")
    stem = Path(name).stem
    assert (written.folder / f"{stem}.npy").is_file() is is_kept
    listed = [line.split("|")[0] for line in written.training_list.read_text().splitlines()]
    assert (stem in listed) is is_kept
    assert written.n_left_out == (not is_kept) and written.n_clips == 14 - written.n_left_out


def test_two_clips_of_one_name_are_refused(run, fake_dataset, tmp_path):
    folder = shutil.copytree(fake_dataset, tmp_path / "data")
    (folder / "wavs" / "more").mkdir()
    lines = (folder / "train.txt").read_text().splitlines()
    name = lines[0].split("|")[0]
    shutil.copy(folder / name, folder / "wavs" / "more" / name.split("/")[-1])
    lines.append(f"wavs/more/{name.split('/')[-1]}|Cake.")
    (folder / "train.txt").write_text("\n".join(lines) + "\n")
    with pytest.raises(MelsError, match="would share one mel"):
        write_mels(run, tmp_path / "out", folder, "cpu")
    assert not (tmp_path / "out").exists()


def test_clips_that_moved_are_asked_for(run, tmp_path):
    copy = Run(shutil.copytree(run.folder, tmp_path / "run"))
    checkpoint = load_checkpoint(copy.best_model)
    checkpoint.dataset = str(tmp_path / "gone")
    save_checkpoint(copy.best_model, checkpoint)
    with pytest.raises(FilelistError, match="ponytaco mels RUN --data"):
        write_mels(copy, device="cpu")
    with pytest.raises(RunError, match="is a folder of voices: run. Give one.*run"):
        write_mels(Run(tmp_path), device="cpu")


def test_several_data_sets_are_written_one_at_a_time(run, fake_dataset, tmp_path):
    checkpoint = load_checkpoint(run.voice())
    checkpoint.dataset = f"{fake_dataset}\n{tmp_path}"
    save_checkpoint(tmp_path / "best_model", checkpoint)
    with pytest.raises(FilelistError, match=f"{tmp_path.name}.*one at a time.*--data"):
        write_mels(Run(tmp_path), device="cpu")


def test_a_folder_that_cannot_be_written_is_said(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MelsError, match="cannot be written"):
        write_mels(run, tmp_path / "file" / "mels", device="cpu")
