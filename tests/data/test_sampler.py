import collections
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponytaco.data.dataset_folder import FilelistError
from ponytaco.data.sampler import BucketSampler

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


PHRASES = [[n // 3, n // 3, n - 2 * (n // 3)] if n > 300 else [] for n in LENGTHS]


def with_phrases(p_phrases=0.7, size=8, **changes):
    return BucketSampler(LENGTHS, size, 5, 0.5, phrases=PHRASES, p_phrases=p_phrases, **changes)


@pytest.mark.parametrize("p_phrases", [0.3, 1.0])
def test_in_an_epoch_a_clip_is_whole_or_all_of_its_phrases(p_phrases):
    sampler = with_phrases(p_phrases)
    are_cut = []
    for _ in range(4):
        parts = collections.defaultdict(list)
        for pick in (pick for batch in epoch_of(sampler) for pick in batch):
            parts[pick.clip].append(pick)
        assert sorted(parts) == list(range(len(LENGTHS)))
        for clip, picks in parts.items():
            assert len({pick.use_arpabet for pick in picks}) == 1
            phrases = sorted(-1 if pick.phrase is None else pick.phrase for pick in picks)
            assert phrases == [-1] or phrases == [0, 1, 2] == list(range(len(PHRASES[clip])))
            are_cut += [phrases != [-1]] if PHRASES[clip] else []
    assert np.mean(are_cut) == pytest.approx(p_phrases, abs=0.08)


def test_a_batch_with_phrases_has_the_frames_of_its_clips():
    most = 8 * np.mean(LENGTHS)

    def frames(pick):
        return LENGTHS[pick.clip] if pick.phrase is None else PHRASES[pick.clip][pick.phrase]

    batches = with_phrases().remaining()
    padded = [max(map(frames, batch)) * len(batch) for batch in batches]
    assert max(padded) <= most
    assert np.mean(padded) > 0.8 * most
    assert max(map(len, batches)) > 2 * min(map(len, batches))


def test_a_clip_longer_than_a_batch_is_a_batch():
    sampler = BucketSampler([10] * 50 + [900], 1, 0, 1.0, phrases=[[]] * 51, p_phrases=0.5)
    assert [pick.clip for pick in max(sampler.remaining(), key=lambda b: b[0].clip)] == [50]


@pytest.mark.parametrize("n_done", [0, 3, 9, 30])
def test_a_saved_sampler_goes_on_with_the_same_phrases(n_done):
    sampler = with_phrases()
    for _ in range(n_done):
        sampler.advance()
    again = with_phrases()
    again.load_state_dict(json.loads(json.dumps(sampler.state_dict())))
    for _ in range(20):
        assert again.remaining() == sampler.remaining()
        again.advance()
        sampler.advance()


def test_another_batch_size_goes_on_with_the_phrases_that_are_left():
    sampler = with_phrases()
    every = sorted(pick for batch in sampler.remaining() for pick in batch)
    seen = []
    for size, n in ((8, 3), (5, 4), (12, 10**6)):
        again = with_phrases(size=size)
        again.load_state_dict(json.loads(json.dumps(sampler.state_dict())))
        sampler = again
        while n and not sampler.epoch:
            seen += sampler.remaining()[0]
            sampler.advance()
            n -= 1
    assert sorted(seen) == every
