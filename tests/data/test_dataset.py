from dataclasses import asdict, replace

import pytest
import torch
from support.fake_dataset import write_fake_dataset

import ponytaco.data.dataset as dataset_module
from ponytaco.audio.mel import MelSpectrogram
from ponytaco.audio.wav import AudioError, load_wav
from ponytaco.config import AudioConfig
from ponytaco.data.dataset import ClipDataset, merged_lexicon, open_datasets
from ponytaco.data.dataset_folder import read_dataset, read_datasets
from ponytaco.data.sampler import Pick
from ponytaco.text.encode import ctc_targets, text_to_ids
from ponytaco.text.errors import TextError
from ponytaco.text.symbols import SYMBOLS

AUDIO = AudioConfig()


def test_the_mean_frame_is_over_train_and_val(data):
    frames = torch.cat(
        [data.train.mels[i] for i in range(11)] + [data.val.mels[i] for i in (0, 1, 2)]
    )
    torch.testing.assert_close(data.mean_frame, frames.mean(0))


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
    real = dataset_module.label_intervals
    monkeypatch.setattr(
        dataset_module, "label_intervals", lambda *parts: matched.append(parts) or real(*parts)
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
    text, _, target, *_ = dataset[Pick(0, True)]
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
    text, _, _, intervals, _ = data.train[Pick(0, True)]
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
    text, mel, _, intervals, _ = data.train[Pick(index, True)]
    middles = intervals.mean(1)
    expected = (torch.arange(len(text)) + 0.5) / len(text) * len(mel)
    torch.testing.assert_close(middles, expected, rtol=1e-3, atol=0.1)


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
    assert all(len(list(folder.glob("mels-*"))) == 1 for folder in two)


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
