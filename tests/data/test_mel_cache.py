import os
import warnings
from dataclasses import asdict

import pytest
import safetensors.torch
import soundfile
import torch
from support.tensor_files import content_of, edit
from support.waiting import within

import ponytaco.data.mel_cache as mel_cache_module
from ponytaco.audio.mel import MelSpectrogram
from ponytaco.audio.wav import AudioError, load_wav
from ponytaco.config import AudioConfig
from ponytaco.data.dataset_folder import read_dataset
from ponytaco.data.mel_cache import Mels, load_mels
from ponytaco.io.tensor_file.file import write_tensor_file

AUDIO = AudioConfig()


def caches(folder):
    return sorted(folder.glob("mels-*"))


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_mels_are_those_of_the_wavs(folder):
    clips = read_dataset(folder).train
    mels = load_mels(clips, AUDIO, folder)
    extract = MelSpectrogram(**asdict(AUDIO))
    expected = [extract(load_wav(clip.path, 22_050)[None])[0].T for clip in clips]
    assert mels.lengths == [len(mel) for mel in expected]
    for index, mel in enumerate(expected):
        torch.testing.assert_close(mels[index], mel, rtol=0, atol=0)
    torch.testing.assert_close(mels.mean_frame, torch.cat(expected).mean(0))


def test_the_clips_mels_share_the_memory(folder):
    mels = load_mels(read_dataset(folder).train, AUDIO, folder)
    clips = mels.clips()
    assert [len(clip) for clip in clips] == mels.lengths
    assert all(torch.equal(clip, mels[i]) for i, clip in enumerate(clips))
    assert clips[2].untyped_storage().data_ptr() == mels.frames.untyped_storage().data_ptr()


def test_the_cache_is_one_file_and_reused(folder, monkeypatch):
    clips = read_dataset(folder).train
    first = load_mels(clips, AUDIO, folder)
    assert len(caches(folder)) == 1 and not leftovers(folder)
    monkeypatch.setattr(mel_cache_module, "load_wav", None)  # a wav that is read now is an error
    second = load_mels(clips, AUDIO, folder)
    assert torch.equal(first.frames, second.frames)
    assert torch.equal(first.offsets, second.offsets)
    assert torch.equal(first.mean_frame, second.mean_frame)


def test_other_audio_settings_have_another_cache_in_its_place(folder):
    clips = read_dataset(folder).train
    load_mels(clips, AUDIO, folder)
    before = caches(folder)
    mels = load_mels(clips, AudioConfig(n_mels=40), folder)
    assert mels.frames.shape[1] == 40
    assert len(caches(folder)) == 1 and caches(folder) != before


def test_a_changed_wav_is_read_again(folder):
    clips = read_dataset(folder).train
    before = load_mels(clips, AUDIO, folder)[2].clone()
    samples, rate = soundfile.read(clips[2].path)
    stat = clips[2].path.stat()
    soundfile.write(clips[2].path, samples * 0.1, rate, subtype="PCM_16")  # of the same size
    os.utime(clips[2].path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    after = load_mels(clips, AUDIO, folder)
    assert after[2].mean() < before.mean() - 0.5


def test_other_clips_are_not_taken_for_these(folder):
    clips = read_dataset(folder).train
    load_mels(clips, AUDIO, folder)
    swapped = load_mels([clips[1], clips[0], *clips[2:]], AUDIO, folder)
    assert torch.equal(swapped[0], load_mels(clips, AUDIO, folder)[1])


@pytest.mark.parametrize("failing", ["ponytaco.io.tensor_file.file.pack", "os.replace"])
def test_without_room_the_mels_stay_in_memory_with_a_warning(folder, monkeypatch, failing):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    clips = read_dataset(folder).train
    expected = load_mels(clips, AUDIO, folder)
    frames = expected.frames.clone()
    caches(folder)[0].unlink()
    monkeypatch.setattr(failing, fail)
    with pytest.warns(UserWarning, match="not cached"):
        mels = load_mels(clips, AUDIO, folder)
    assert torch.equal(mels.frames, frames)
    assert not caches(folder) and not leftovers(folder)


def test_a_read_only_folder_is_no_obstacle(folder, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(mel_cache_module, "write_tensor_file", fail)
    monkeypatch.setattr("pathlib.Path.unlink", fail)  # so does Linux, even for a missing file
    with pytest.warns(UserWarning, match="Read-only"):
        load_mels(read_dataset(folder).train, AUDIO, folder)


@pytest.mark.parametrize(
    "damage", ["empty", "garbage", "truncated", "torch", "other keys", "other program", "flip"]
)
def test_a_damaged_cache_is_built_again(folder, damage):
    clips = read_dataset(folder).train
    expected = load_mels(clips, AUDIO, folder)
    frames = expected.frames.clone()
    (path,) = caches(folder)
    content = path.read_bytes()
    path.unlink()
    if damage == "torch":
        torch.save({"frames": frames}, path)
    elif damage == "other keys":
        write_tensor_file(path, {"frames": frames}, {})
    elif damage == "other program":
        safetensors.torch.save_file({"frames": frames}, path)
    elif damage == "flip":
        start = content.index(b"data_offsets")  # into the header that describes the tensors
        path.write_bytes(content[:start] + b"\xff" * 20 + content[start + 20 :])
    else:
        path.write_bytes(
            {"empty": b"", "garbage": b"?" * 5000, "truncated": content[: len(content) // 2]}[
                damage
            ]
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mels = load_mels(clips, AUDIO, folder)
        assert torch.equal(mels.frames, frames)
    assert content_of(path)["frames"].shape == frames.shape


def test_a_wav_that_is_gone_is_said(folder):
    clips = read_dataset(folder).train
    clips[3].path.unlink()
    with pytest.raises(AudioError, match=clips[3].path.name):
        load_mels(clips, AUDIO, folder)


def test_mels_know_their_lengths():
    mels = Mels(torch.arange(10.0)[:, None], torch.tensor([0, 4, 10]), torch.zeros(1))
    assert mels.lengths == [4, 6]
    assert mels[1].flatten().tolist() == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(frames=torch.zeros(3, 80)),
        lambda c: c.update(frames=c["frames"].double()),
        lambda c: c.update(frames=c["frames"][:, :79].clone()),
        lambda c: c.update(offsets=c["offsets"].flip(0)),
        lambda c: c.update(offsets=c["offsets"] * 10**12),
        lambda c: c.update(offsets=c["offsets"][:-1].clone()),
        lambda c: c.update(mean_frame=torch.full((80,), float("nan"))),
        lambda c: c["frames"][3].fill_(float("inf")),
        lambda c: c.update(frames=7),
    ],
)
def test_a_cache_that_cannot_be_is_built_again(folder, change):
    clips = read_dataset(folder).train
    expected = load_mels(clips, AudioConfig(), folder)
    frames = expected.frames.clone()
    (path,) = caches(folder)
    edit(path, change)
    again = load_mels(clips, AudioConfig(), folder)
    assert torch.equal(again.frames, frames) and torch.isfinite(again.mean_frame).all()


def test_a_bit_in_the_cache_is_found(folder):
    clips = read_dataset(folder).train
    frames = load_mels(clips, AudioConfig(), folder).frames.clone()
    (path,) = caches(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)
    assert torch.equal(load_mels(clips, AudioConfig(), folder).frames, frames)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path.parents[1] / "x")])
def test_a_cache_that_is_a_pipe_or_from_outside_is_written_again(folder, tmp_path, make):
    clips = read_dataset(folder).train
    mels = load_mels(clips, AUDIO, folder)
    (path,) = caches(folder)
    outside = folder.parent / "x"
    outside.write_bytes(path.read_bytes())
    before = outside.read_bytes()
    path.unlink()
    make(path)
    with within(30):
        assert torch.equal(load_mels(clips, AUDIO, folder).frames, mels.frames)
    assert path.is_file() and not path.is_symlink() and outside.read_bytes() == before
