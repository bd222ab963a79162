from itertools import islice

import pytest
import torch

import ponytaco.data.loader as loader_module
from ponytaco.data.loader import collate, training_batches, validation_batches
from ponytaco.data.sampler import BucketSampler, Pick
from ponytaco.text.symbols import SYMBOLS


def test_a_batch_is_padded_to_its_longest(data):
    picks = [Pick(0, True), Pick(7, True), Pick(5, False)]
    clips = [data.train[pick] for pick in picks]
    batch = collate(clips)
    assert batch.mel.shape == (3, 80, max(len(clip[1]) for clip in clips))
    assert batch.text.shape == (3, max(len(clip[0]) for clip in clips))
    assert batch.intervals.shape == (*batch.text.shape, 2)
    for row, (text, mel, ctc, intervals, _) in enumerate(clips):
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


def same(one, other):
    return all(
        torch.equal(a.nan_to_num(-1), b.nan_to_num(-1)) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("n_workers", [0, 2])
def test_the_stream_is_the_samplers_batches(data, n_workers):
    sampler = BucketSampler(data.train.lengths, 4, 1, 0.5)
    expected = BucketSampler(data.train.lengths, 4, 1, 0.5)
    stream = training_batches(data.train, sampler, n_workers)
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
    stream = training_batches(data.train, BucketSampler(data.train.lengths, 4, 1, 0.5), n_workers)
    list(islice(stream, 4))
    stream.close()
    assert torch.equal(torch.get_rng_state(), before)


def test_shards_are_padded_as_the_whole_batch(data):
    """11 clips by 3 processes of 2: the last batch has 5."""
    samplers = [BucketSampler(data.train.lengths, 2, 1, 0.5, rank=r, n_ranks=3) for r in range(3)]
    streams = [training_batches(data.train, sampler, 0) for sampler in samplers]
    whole = BucketSampler(data.train.lengths, 6, 1, 0.5)
    sizes = set()
    for batch in islice(training_batches(data.train, whole, 0), 4):
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
    batch = next(training_batches(data.train, sampler, 0))
    assert batch.weight.tolist() == [0.0] and batch.text_lengths.tolist() == [
        len(data.train[Pick(0, True)][0])
    ]
    first = BucketSampler(data.train.lengths[:1], 2, 1, 1.0, rank=0, n_ranks=2)
    assert next(training_batches(data.train, first, 0)).weight.tolist() == [1.0]


def test_a_loader_worker_that_dies_is_replaced(data, monkeypatch):
    class Dying(loader_module.DataLoader):
        def __iter__(self):
            for i, batch in enumerate(super().__iter__()):
                if i == 1 and n_workers:
                    n_workers.clear()
                    raise RuntimeError("DataLoader worker (pid(s) 4711) exited unexpectedly")
                yield batch

    n_workers, said = [1], []
    expected = list(
        islice(training_batches(data.train, BucketSampler(data.train.lengths, 4, 1, 0.5), 0), 4)
    )
    monkeypatch.setattr(loader_module, "DataLoader", Dying)
    sampler = BucketSampler(data.train.lengths, 4, 1, 0.5)
    found = list(islice(training_batches(data.train, sampler, 1, said.append), 4))
    assert not n_workers and sum("process that loads clips died" in s for s in said) == 1
    assert all(same(one, other) for one, other in zip(found, expected, strict=True))
