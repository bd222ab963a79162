import collections
import json
import os
import shutil
import warnings
from dataclasses import asdict, replace
from itertools import islice

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_dataset import write_fake_dataset

import ponytaco.data.dataset as clips_module
import ponytaco.data.loader as batches_module
import ponytaco.data.mel_cache as mels_module
from ponytaco.audio.mel import MelSpectrogram
from ponytaco.audio.wav import AudioError, load_wav
from ponytaco.config import AudioConfig
from ponytaco.data.dataset import ClipDataset, merged_lexicon, open_datasets
from ponytaco.data.dataset_folder import FilelistError, read_dataset, read_datasets
from ponytaco.data.loader import collate, endless_batches, validation_batches
from ponytaco.data.mel_cache import Mels, load_mels
from ponytaco.data.sampler import BucketSampler, Pick
from ponytaco.text.encode import ctc_targets, text_to_ids
from ponytaco.text.errors import TextError
from ponytaco.text.symbols import SYMBOLS

AUDIO = AudioConfig()


@pytest.fixture
def folder(fake_dataset, tmp_path):
    """A copy of the fake data without a cache."""
    return shutil.copytree(
        fake_dataset, tmp_path / "Beeps", ignore=shutil.ignore_patterns("mels-*")
    )


@pytest.fixture(scope="module")
def data(fake_dataset):
    return open_datasets(read_dataset(fake_dataset), AUDIO, SYMBOLS, "english")


def caches(folder):
    return sorted(folder.glob("mels-*"))


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


# The mel cache


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
    monkeypatch.setattr(mels_module, "load_wav", None)  # a wav that is read now is an error
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


@pytest.mark.parametrize("failing", ["torch.save", "os.replace"])
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

    monkeypatch.setattr(mels_module.torch, "save", fail)
    monkeypatch.setattr("pathlib.Path.unlink", fail)  # so does Linux, even for a missing file
    with pytest.warns(UserWarning, match="Read-only"):
        load_mels(read_dataset(folder).train, AUDIO, folder)


@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "list", "other keys", "flip"])
def test_a_damaged_cache_is_built_again(folder, damage):
    clips = read_dataset(folder).train
    expected = load_mels(clips, AUDIO, folder)
    frames = expected.frames.clone()
    (path,) = caches(folder)
    content = path.read_bytes()
    path.unlink()
    if damage == "list":
        torch.save([1, 2], path)
    elif damage == "other keys":
        torch.save({"frames": frames}, path)
    elif damage == "flip":
        start = content.index(b"data.pkl") + 60  # into the pickle that describes the tensors
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
    assert torch.load(path, weights_only=True)["frames"].shape == frames.shape


def test_a_wav_that_is_gone_is_said(folder):
    clips = read_dataset(folder).train
    clips[3].path.unlink()
    with pytest.raises(AudioError, match=clips[3].path.name):
        load_mels(clips, AUDIO, folder)


def test_the_mean_frame_is_over_train_and_val(data):
    frames = torch.cat(
        [data.train.mels[i] for i in range(11)] + [data.val.mels[i] for i in (0, 1, 2)]
    )
    torch.testing.assert_close(data.mean_frame, frames.mean(0))


# Clips and batches


def test_each_clip_reads_its_own_mel(data, fake_dataset):
    folder = read_dataset(fake_dataset)
    extract = MelSpectrogram(**asdict(AUDIO))
    for clip_dataset, clips in ((data.train, folder.train), (data.val, folder.val)):
        assert len(clip_dataset) == len(clips)
        for index in (0, len(clips) - 1):
            mel = clip_dataset[Pick(index, True)][1]
            expected = extract(load_wav(clips[index].path, 22_050)[None])[0].T
            torch.testing.assert_close(mel, expected, rtol=0, atol=0)


@pytest.mark.parametrize("use_arpabet", [True, False])
def test_the_pick_decides_the_spelling(data, use_arpabet):
    clip = data.train.clips[1]
    ids = data.train[Pick(1, use_arpabet)][0].tolist()
    assert ids == text_to_ids(clip.arpabet if use_arpabet else clip.text)
    assert ids != text_to_ids(clip.text if use_arpabet else clip.arpabet)


@pytest.mark.parametrize("use_arpabet", [True, False])
def test_the_recogniser_hears_phones_whatever_is_read(data, use_arpabet):
    clip = data.train.clips[1]
    assert data.train[Pick(1, use_arpabet)][2].tolist() == ctc_targets(clip.arpabet)


def test_a_spelling_is_matched_with_its_labels_once(folder, monkeypatch):
    matched = []
    real = clips_module.label_intervals
    monkeypatch.setattr(
        clips_module, "label_intervals", lambda *parts: matched.append(parts) or real(*parts)
    )
    train = open_datasets(read_datasets([folder]), AudioConfig(), SYMBOLS, "english").train
    picks = [Pick(clip, spelling) for clip in (0, 1) for spelling in (True, False)]
    first = [train[pick] for pick in picks]
    assert len(matched) == 4
    for before, after in zip(first, [train[pick] for pick in picks], strict=True):
        for value, again in zip(before, after, strict=True):
            torch.testing.assert_close(value, again, equal_nan=True)
    assert len(matched) == 4
    assert len({len(clip[0]) for clip in first[:2]}) == 2  # phones and letters are kept apart


def test_a_clip_without_phones_is_read_and_heard_in_letters(data):
    clip = data.train.clips[0]
    bare = clip.__class__(clip.path, clip.text, None, clip.ref)
    dataset = ClipDataset([bare], data.train.mels[:1], [None], SYMBOLS, "english", AUDIO)
    text, _, target, _ = dataset[Pick(0, True)]
    assert text.tolist() == text_to_ids(clip.text)
    assert target.tolist() == ctc_targets(clip.text)


def test_the_symbols_that_are_learnt_are_those_that_are_read(data):
    clip, mel = data.train.clips[0], data.train.mels[0]

    def seen(*arpabet, with_letters):
        clips = [clip.__class__(clip.path, "bad day.", each, clip.ref) for each in arpabet]
        dataset = ClipDataset(
            clips, [mel] * len(clips), [None] * len(clips), SYMBOLS, "english", AUDIO
        )
        return set(dataset.seen_symbols(with_letters))

    phones, letters = {"@B", "@AE1", "@D", "@EY1"}, set("bady")
    whole = "{B AE1 D} {D EY1}."
    assert seen(whole, with_letters=False) == phones | {" ", "."}
    assert seen(whole, with_letters=True) == phones | letters | {" ", "."}
    assert seen(whole, None, with_letters=False) == phones | letters | {" ", "."}
    # A name that the labeller's dictionary lacks, among twenty sentences.
    assert seen(*[whole] * 20, "bad {D EY1}.", with_letters=False) == phones | {" ", "."}
    assert seen("bad {D EY1}.", with_letters=False) == {"@D", "@EY1", *"bad ."}


def test_a_text_without_words_is_refused_before_training(data):
    clip = data.train.clips[0]
    silent = clip.__class__(clip.path, "?!", None, clip.ref)
    with pytest.raises(TextError):
        ClipDataset([silent], data.train.mels[:1], [None], SYMBOLS, "english", AUDIO)


def test_labelled_symbols_have_their_times_in_frames(data, fake_dataset):
    folder = read_dataset(fake_dataset)
    clip = folder.train[0]
    alignment = folder.alignments[clip.ref]
    text, _, _, intervals = data.train[Pick(0, True)]
    frames_per_second = 22_050 / 256
    phones = [i for i, id_ in enumerate(text.tolist()) if SYMBOLS[id_].startswith("@")]
    assert len(phones) == len(alignment.tokens)
    for place, (_, start, end) in zip(phones[1:-1], alignment.tokens[1:-1], strict=True):
        middle = (start + end) / 2 * frames_per_second
        low, high = intervals[place].tolist()
        assert low < start * frames_per_second < middle < end * frames_per_second < high
        assert high - low < (end - start + 0.2) * frames_per_second


def test_an_unlabelled_clip_has_the_diagonal(data):
    index = next(i for i, clip in enumerate(data.train.clips) if clip.ref == "clip-003")
    text, mel, _, intervals = data.train[Pick(index, True)]
    middles = intervals.mean(1)
    expected = (torch.arange(len(text)) + 0.5) / len(text) * len(mel)
    torch.testing.assert_close(middles, expected, rtol=1e-3, atol=0.1)


def test_a_batch_is_padded_to_its_longest(data):
    picks = [Pick(0, True), Pick(7, True), Pick(5, False)]
    clips = [data.train[pick] for pick in picks]
    batch = collate(clips)
    assert batch.mel.shape == (3, 80, max(len(clip[1]) for clip in clips))
    assert batch.text.shape == (3, max(len(clip[0]) for clip in clips))
    assert batch.intervals.shape == (*batch.text.shape, 2)
    for row, (text, mel, ctc, intervals) in enumerate(clips):
        n_text, n_mel, n_ctc = len(text), len(mel), len(ctc)
        assert batch.text_lengths[row] == n_text
        assert batch.mel_lengths[row] == n_mel
        assert batch.ctc_lengths[row] == n_ctc
        assert torch.equal(batch.text[row, :n_text], text)
        assert torch.equal(batch.mel[row, :, :n_mel], mel.T)
        assert torch.equal(batch.ctc[row, :n_ctc], ctc)
        assert torch.equal(batch.intervals[row, :n_text], intervals)
        assert not batch.text[row, n_text:].any() and SYMBOLS[0] == "_"
        assert not batch.mel[row, :, n_mel:].any()
        assert not batch.ctc[row, n_ctc:].any()
        assert batch.intervals[row, n_text:].isnan().all()
        assert not batch.intervals[row, :n_text].isnan().any()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
def test_validation_takes_every_clip_once_in_order(data, batch_size):
    batches = list(validation_batches(data.val, batch_size))
    lengths = [int(n) for batch in batches for n in batch.mel_lengths]
    assert lengths == data.val.lengths
    first = data.val[Pick(0, True)][0]
    assert torch.equal(batches[0].text[0, : len(first)], first)


# The sampler

LENGTHS = [int(n) for n in np.random.default_rng(1).integers(50, 900, size=103)]


def epoch_of(sampler):
    """Hand out batches until the epoch is over."""
    epoch, batches = sampler.epoch, []
    while sampler.epoch == epoch:
        batches.append(sampler.remaining()[0])
        sampler.advance()
    return batches


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 1000), min_size=1, max_size=60),
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 2**31),
    max_frames=st.integers(0, 1000),
)
def test_every_clip_once_an_epoch(lengths, batch_size, seed, max_frames):
    wanted = [i for i, n in enumerate(lengths) if not max_frames or n <= max_frames]
    if not wanted:
        with pytest.raises(FilelistError, match="max_clip_seconds"):
            BucketSampler(lengths, batch_size, seed, 1.0, max_frames)
        return
    sampler = BucketSampler(lengths, batch_size, seed, 1.0, max_frames)
    for _ in range(2):
        batches = epoch_of(sampler)
        assert sorted(pick.clip for batch in batches for pick in batch) == wanted
        assert all(1 <= len(batch) <= batch_size for batch in batches)
        assert len(batches) == sampler.batches_per_epoch


def test_like_lengths_lie_together():
    batches = BucketSampler(LENGTHS, 8, 0, 1.0).remaining()
    padding = [
        1 - np.mean([LENGTHS[pick.clip] for pick in batch]) / max(LENGTHS[p.clip] for p in batch)
        for batch in batches
    ]
    assert np.mean(padding) < 0.15  # of clips at random about 0.45
    first_lengths = [LENGTHS[batch[0].clip] for batch in batches]
    assert first_lengths != sorted(first_lengths)  # but long and short batches are mixed


def test_epochs_differ_in_order_and_in_company():
    sampler = BucketSampler(LENGTHS, 8, 0, 1.0)
    first, second = (
        {frozenset(pick.clip for pick in batch) for batch in epoch_of(sampler)} for _ in range(2)
    )
    assert len(first & second) < len(first) / 2


def test_a_seed_is_an_order():
    def order(seed):
        return epoch_of(BucketSampler(LENGTHS, 8, seed, 0.5))

    assert order(3) == order(3)
    assert order(3) != order(4)


@pytest.mark.parametrize("p_arpabet", [0.0, 0.4, 1.0])
def test_the_share_of_spellings(p_arpabet):
    sampler = BucketSampler(LENGTHS, 8, 0, p_arpabet)
    spellings = collections.Counter(
        pick.use_arpabet for _ in range(5) for batch in epoch_of(sampler) for pick in batch
    )
    assert spellings[True] / spellings.total() == pytest.approx(p_arpabet, abs=0.08)


@pytest.mark.parametrize("n_done", [0, 5, 13, 20, 26])
def test_a_saved_sampler_goes_on_with_the_same_batches(n_done):
    def take(sampler, n):
        taken = []
        for _ in range(n):
            taken.append(sampler.remaining()[0])
            sampler.advance()
        return taken

    sampler = BucketSampler(LENGTHS, 8, 7, 0.5)
    take(sampler, n_done)
    state = dict(sampler.state_dict())
    expected = take(sampler, 20)
    again = BucketSampler(LENGTHS, 8, 7, 0.5)
    again.load_state_dict(state)
    assert take(again, 20) == expected
    assert state == {
        "epoch": n_done // 13,
        "drawn": [[8, n_done % 13]] if n_done % 13 else [],
        "letters": [True, True],
    }


def spellings(sampler):
    return {pick.use_arpabet for batch in sampler.remaining() for pick in batch}


def test_letters_begin_with_an_epoch_and_a_resumed_run_reads_the_same():
    sampler = BucketSampler(LENGTHS, 8, 7, 0.5, arpabet_first=True)
    assert spellings(sampler) == {True}
    sampler.advance()
    sampler.begin_letters()
    assert spellings(sampler) == {True}  # its spelling must follow from the epoch
    again = BucketSampler(LENGTHS, 8, 7, 0.5, arpabet_first=True)
    again.load_state_dict(sampler.state_dict())
    again.begin_letters()
    for _ in range(12):
        assert again.remaining() == sampler.remaining()
        sampler.advance()
        again.advance()
    assert (sampler.epoch, spellings(sampler)) == (1, {True, False})
    assert again.remaining() == sampler.remaining()
    later = BucketSampler(LENGTHS, 8, 7, 0.5, arpabet_first=True)
    later.load_state_dict(sampler.state_dict())
    assert later.remaining() == sampler.remaining()  # letters stay, whatever alignment does


def clips_of(batches):
    return [pick.clip for batch in batches for pick in batch]


@settings(max_examples=60, deadline=None)
@given(
    n_clips=st.integers(1, 60),
    sessions=st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(0, 5)), max_size=5
    ),
    last=st.tuples(st.integers(1, 9), st.integers(1, 4)),
)
def test_every_clip_once_an_epoch_whatever_the_sessions_sizes(n_clips, sessions, last):
    """Sessions of other batch sizes and numbers of processes, one after the other."""
    state, seen = None, []
    for size, n_ranks, n_steps in [*sessions, (*last, 10**6)]:
        shards = [
            BucketSampler(LENGTHS[:n_clips], size, 3, 0.5, rank=rank, n_ranks=n_ranks)
            for rank in range(n_ranks)
        ]
        for sampler in shards if state is not None else ():
            sampler.load_state_dict(json.loads(json.dumps(state)))
        for _ in range(n_steps):
            batch = shards[0].remaining()[0]
            assert all(sampler.remaining()[0] == batch for sampler in shards)
            parts = [sampler.shard(batch) for sampler in shards]
            assert max(map(len, parts)) - min(map(len, parts)) <= 1
            assert max(map(len, parts)) <= size
            seen += clips_of(parts)
            for sampler in shards:
                sampler.advance()
            if shards[0].epoch:
                break
        state = shards[0].state_dict()
        assert all(sampler.state_dict() == state for sampler in shards)
        if shards[0].epoch:
            break
    assert sorted(seen) == list(range(n_clips)) and state == {
        "epoch": 1,
        "drawn": [],
        "letters": [True, True],
    }


def test_a_shard_has_short_and_long_clips():
    shards = [BucketSampler(LENGTHS, 8, 0, 1.0, rank=rank, n_ranks=4) for rank in range(4)]
    whole = [batch for batch in shards[0].remaining() if len(batch) == 32]
    assert len(whole) == 3
    for batch in whole:
        frames = [sum(LENGTHS[p.clip] for p in sampler.shard(batch)) for sampler in shards]
        in_a_row = [sum(LENGTHS[p.clip] for p in batch[i : i + 8]) for i in range(0, 32, 8)]
        assert min(frames) > 0.85 * max(frames)
        assert max(frames) - min(frames) < max(in_a_row) - min(in_a_row)


def test_an_epoch_of_which_nothing_is_left_is_over():
    sampler = BucketSampler(LENGTHS, 8, 0, 1.0)
    sampler.load_state_dict({"epoch": 4, "drawn": [[5, 1000]], "letters": [True, True]})
    assert (sampler.epoch, sampler.position) == (5, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"drawn": 3},
        {"drawn": [[0, 1]]},
        {"drawn": [[4, -1]]},
        {"drawn": [[4]]},
        {"drawn": [[4, 0]] * 5000},
        {"epoch": -1},
        {"epoch": None},
        {"letters": True},
        {"letters": [True]},
    ],
)
def test_a_place_that_is_none_is_refused(wrong):
    place = {"epoch": 1, "drawn": [], "letters": [True, True]}
    BucketSampler(LENGTHS, 8, 0, 1.0).load_state_dict(place)
    with pytest.raises((LookupError, TypeError, ValueError)):
        BucketSampler(LENGTHS, 8, 0, 1.0).load_state_dict(place | wrong)
    for missing in place:
        with pytest.raises(LookupError):
            BucketSampler(LENGTHS, 8, 0, 1.0).load_state_dict(
                {name: value for name, value in place.items() if name != missing}
            )


# The stream of batches


def same(one, other):
    return all(
        torch.equal(a.nan_to_num(-1), b.nan_to_num(-1)) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("n_workers", [0, 2])
def test_the_stream_is_the_samplers_batches(data, n_workers):
    sampler = BucketSampler(data.train.lengths, 4, 1, 0.5)
    expected = BucketSampler(data.train.lengths, 4, 1, 0.5)
    stream = endless_batches(data.train, sampler, n_workers)
    for n_handed_out, batch in enumerate(islice(stream, 5), start=1):  # into the second epoch
        picks = expected.remaining()[0]
        expected.advance()
        assert same(batch, collate([data.train[pick] for pick in picks]))
        # what a worker has fetched ahead does not count
        assert sampler.state_dict() == expected.state_dict()
        assert (sampler.epoch, sampler.position) == divmod(n_handed_out, 3)
    stream.close()


@pytest.mark.parametrize("n_workers", [0, 2])
def test_the_stream_leaves_random_numbers_alone(data, n_workers):
    before = torch.get_rng_state()
    stream = endless_batches(data.train, BucketSampler(data.train.lengths, 4, 1, 0.5), n_workers)
    list(islice(stream, 4))
    stream.close()
    assert torch.equal(torch.get_rng_state(), before)


def test_shards_are_padded_as_the_whole_batch(data):
    """11 clips by 3 processes of 2: the last batch has 5."""
    samplers = [BucketSampler(data.train.lengths, 2, 1, 0.5, rank=r, n_ranks=3) for r in range(3)]
    streams = [endless_batches(data.train, sampler, 0) for sampler in samplers]
    whole = BucketSampler(data.train.lengths, 6, 1, 0.5)
    sizes = set()
    for batch in islice(endless_batches(data.train, whole, 0), 4):
        shards = [next(stream) for stream in streams]
        sizes.add(tuple(len(shard.text) for shard in shards))
        for rank, shard in enumerate(shards):
            own = type(batch)(*(tensor[rank::3] for tensor in batch))
            assert shard.text.shape[1] == batch.text.shape[1]
            assert shard.mel.shape[2] == batch.mel.shape[2]
            assert same(shard._replace(ctc=own.ctc), own)
    assert sizes == {(2, 2, 2), (2, 2, 1)}


def test_a_process_without_a_clip_is_lent_one_that_does_not_count(data):
    sampler = BucketSampler(data.train.lengths[:1], 2, 1, 1.0, rank=1, n_ranks=2)
    batch = next(endless_batches(data.train, sampler, 0))
    assert batch.weight.tolist() == [0.0] and batch.text_lengths.tolist() == [
        len(data.train[Pick(0, True)][0])
    ]
    first = BucketSampler(data.train.lengths[:1], 2, 1, 1.0, rank=0, n_ranks=2)
    assert next(endless_batches(data.train, first, 0)).weight.tolist() == [1.0]


def test_a_loader_worker_that_dies_is_replaced(data, monkeypatch):
    class Dying(batches_module.DataLoader):
        def __iter__(self):
            for i, batch in enumerate(super().__iter__()):
                if i == 1 and n_workers:
                    n_workers.clear()
                    raise RuntimeError("DataLoader worker (pid(s) 4711) exited unexpectedly")
                yield batch

    n_workers, said = [1], []
    expected = list(
        islice(endless_batches(data.train, BucketSampler(data.train.lengths, 4, 1, 0.5), 0), 4)
    )
    monkeypatch.setattr(batches_module, "DataLoader", Dying)
    sampler = BucketSampler(data.train.lengths, 4, 1, 0.5)
    found = list(islice(endless_batches(data.train, sampler, 1, said.append), 4))
    assert not n_workers and sum("process that loads clips died" in s for s in said) == 1
    assert all(same(one, other) for one, other in zip(found, expected, strict=True))


# Several folders


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two characters whose clips have the same refs."""
    folder = tmp_path_factory.mktemp("two")
    one = write_fake_dataset(folder / "One", n_train=5, n_val=2, seed=1)
    other = write_fake_dataset(folder / "Other", n_train=4, n_val=3, seed=2)
    (other / "lexicon.txt").write_text("BAD  B AA1 D\nNEW  N UW1\n")
    return one, other


def test_several_folders_are_one_data_set(two):
    folders = read_datasets(two)
    both = open_datasets(folders, AUDIO, SYMBOLS, "english")
    alone = [open_datasets(folder, AUDIO, SYMBOLS, "english") for folder in folders]
    assert both.train.clips == folders[0].train + folders[1].train
    assert {clip.ref for clip in folders[0].train} & {clip.ref for clip in folders[1].train}
    for index in range(9):  # text, mel, and the intervals of the clip's own folder
        one = both.train[Pick(index, True)]
        expected = alone[index // 5].train[Pick(index % 5, True)]
        assert all(torch.equal(a, b) for a, b in zip(one, expected, strict=True))
    frames = torch.cat([data.mels[i] for d in alone for data in d[:2] for i in range(len(data))])
    torch.testing.assert_close(both.mean_frame, frames.mean(0))
    assert all(len(caches(folder)) == 1 for folder in two)


def test_the_first_validation_clips_are_of_all_folders(two):
    folders = read_datasets(two)
    val = open_datasets(folders, AUDIO, SYMBOLS, "english").val
    one, other = (folder.val for folder in folders)
    assert val.clips == [one[0], other[0], one[1], other[1], other[2]]
    lengths = [load_wav(clip.path, 22_050).shape[0] // 256 + 1 for clip in val.clips]
    assert val.lengths == lengths


def test_the_first_folders_pronunciations_win(two):
    lexicon = merged_lexicon(read_datasets(two))
    assert lexicon["bad"] == "B AE1 D" and lexicon["new"] == "N UW1"
    assert merged_lexicon(read_datasets(two[::-1]))["bad"] == "B AA1 D"
    bare = [
        replace(f, train=[replace(clip, arpabet=None) for clip in f.train])
        for f in read_datasets(two)
    ]
    assert merged_lexicon(bare) == {}


def test_mels_know_their_lengths():
    mels = Mels(torch.arange(10.0)[:, None], torch.tensor([0, 4, 10]), torch.zeros(1))
    assert mels.lengths == [4, 6]
    assert mels[1].flatten().tolist() == [4, 5, 6, 7, 8, 9]


# A cache that came with a stranger's data set


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(frames=torch.zeros(1, 80).expand(10**9, 80)),
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
    content = {name: value.clone() for name, value in torch.load(path, weights_only=True).items()}
    change(content)
    torch.save(content, path)
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


def test_unreadable_clips_are_left_out_only_when_they_are_few(folder):
    said = []
    dataset = read_dataset(folder)
    n_all = len(dataset.train) + len(dataset.val)
    dataset.train[0].path.write_bytes(b"RIFF")
    data = open_datasets(dataset, AudioConfig(), SYMBOLS, "english", said.append)
    assert len(data.train) + len(data.val) == n_all - 1
    assert [clip.ref for clip in data.train.clips] == [clip.ref for clip in dataset.train[1:]]
    assert len(said) == 1 and dataset.train[0].ref in said[0]
    with pytest.raises(AudioError, match=dataset.train[0].ref):
        open_datasets(dataset, AudioConfig(), SYMBOLS, "english")
    for clip in dataset.train[1:4]:
        clip.path.write_bytes(b"RIFF")
    with pytest.raises(AudioError, match=dataset.train[3].ref):
        open_datasets(dataset, AudioConfig(), SYMBOLS, "english", said.append)
