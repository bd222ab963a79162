import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.training import CONFIG, assert_same

from ponytaco.checkpoint.format import load_checkpoint
from ponytaco.data.dataset import ClipDataset, open_datasets
from ponytaco.data.dataset_folder import read_dataset
from ponytaco.data.loader import collate
from ponytaco.data.sampler import Pick
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.metrics.alignment import AlignmentScore
from ponytaco.metrics.mel_cepstral import MelSimilarity
from ponytaco.runs.folder import Run
from ponytaco.runs.history import Column
from ponytaco.runs.state import RunState
from ponytaco.text.encode import spoken_symbols, text_to_ids
from ponytaco.text.symbols import SYMBOLS
from ponytaco.training.interrupts import BestEffort
from ponytaco.training.rng import rng_state
from ponytaco.training.validation import (
    _scores,
    save_pictures,
    stagnation,
    validate,
    voice_score,
)

CPU = torch.device("cpu")

GOOD = AlignmentScore(0.8, 1.0, 1.0, 1.0, 0.1, 1.0, 1.0)
LOST = AlignmentScore(0.3, 0.5, 0.6, 2.0, 0.6, 0.0, 0.4)
NEAR = MelSimilarity(3.0, 1.0)


def found(score, aligned=True, loss=1.0):
    return SimpleNamespace(score=score, loss=loss, free=GOOD if aligned else LOST)


def judged(*validations):
    """Return the steps that were the best so far, counted from 1, and the state."""
    run_state = RunState()
    best = []
    for run_state.step, validation in enumerate(validations, 1):
        if run_state.record_validation(validation.free.aligned, validation.score, validation.loss):
            best.append(run_state.step)
    return best, run_state


def test_the_real_clip_scores_one():
    assert voice_score(GOOD, MelSimilarity(0.0, 1.0), True) == 1.0


@pytest.mark.parametrize(
    ("alignment", "similarity", "stopped"),
    [
        (GOOD, NEAR, False),
        (GOOD, MelSimilarity(4.0, 1.0), True),
        (GOOD, MelSimilarity(3.0, 1.3), True),
        (GOOD, MelSimilarity(3.0, 0.8), True),
        (AlignmentScore(0.8, 0.9, 1.0, 1.0, 0.1, 1.0), NEAR, True),
        (AlignmentScore(0.8, 1.0, 1.0, 1.0, 0.1, 0.0), NEAR, True),
        (AlignmentScore(0.8, 1.0, 1.0, 1.0, 0.1, 1.0, 0.9), NEAR, True),
    ],
)
def test_whatever_is_worse_scores_less(alignment, similarity, stopped):
    assert 0 < voice_score(alignment, similarity, stopped) < voice_score(GOOD, NEAR, True) < 1


def test_an_aligned_voice_beats_any_other_and_then_the_better_voice_wins():
    best, run_state = judged(
        found(0.9, False), found(0.2), found(0.8, False), found(0.1), found(0.3)
    )
    assert best == [1, 2, 5]
    assert (run_state.best_score, run_state.best_aligned, run_state.best_step) == (0.3, True, 5)


def test_the_loss_does_not_decide_but_must_be_finite():
    assert judged(found(0.3, loss=1.0), found(0.4, loss=9.0))[0] == [1, 2]
    nan = float("nan")
    assert judged(found(0.3, loss=nan), found(nan), found(0.1))[0] == [3]


def test_alignment_is_recorded():
    _, run_state = judged(found(0.1, False), found(0.2), found(0.2))
    assert (run_state.first_aligned, run_state.aligned_since) == (2, 2)
    _, run_state = judged(found(0.2), found(0.2, False))
    assert (run_state.first_aligned, run_state.aligned_since) == (1, None)


def test_the_stagnation_of_an_aligned_voice_is_reported_at_8_16_32():
    run_state = RunState(best_aligned=True, best_score=0.5, best_step=1000)
    reported = []
    for run_state.validations_since_best in range(70):
        if stagnation(run_state):
            reported.append(run_state.validations_since_best)
    assert reported == [8, 16, 32, 64]
    run_state.validations_since_best = 8
    assert "since step 1,000: it may be done" in stagnation(run_state)
    run_state.best_aligned = False
    assert stagnation(run_state) is None


def test_a_better_voice_ends_the_stagnation():
    _, run_state = judged(found(0.5), *[found(0.4)] * 7, found(0.6))
    assert run_state.validations_since_best == 0 and stagnation(run_state) is None


def test_attention_after_the_text_counts_only_if_the_gate_opened():
    ids = text_to_ids("bad day cake.", "basic", SYMBOLS)
    path = [*np.repeat(np.arange(len(ids)), 4), *[len(ids) - 1] * 40, *[2] * 60]
    attention = np.eye(len(ids), dtype=np.float32)[path]
    batch = SimpleNamespace(text=torch.tensor([ids]))
    dataset = SimpleNamespace(symbols=SYMBOLS)
    (stopped,) = _scores([attention], batch, dataset, 1, [True])
    (endless,) = _scores([attention], batch, dataset, 1, [False])
    assert not stopped.aligned and stopped.in_order < 0.5
    assert endless.aligned and endless.in_order == 1


# Validating a model


@pytest.fixture(scope="module")
def validated(trained_run, fake_dataset):
    data = open_datasets(read_dataset(fake_dataset), CONFIG.audio, SYMBOLS, "english")
    return load_checkpoint(trained_run.run.current_model).build_model(), data


def test_a_validation_changes_nothing(validated, trained_run):
    model, data = validated
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    numbers = rng_state()
    model.train()  # as a training step leaves it
    first = validate(model, data.val, trained_run.config, 60, CPU)
    assert_same(numbers, rng_state())
    assert_same(weights, dict(model.state_dict()))
    torch.rand(3)
    second = validate(model, data.val, trained_run.config, 60, CPU)
    assert first.loss == second.loss
    np.testing.assert_array_equal(first.first_clip.predicted_mel, second.first_clip.predicted_mel)


def test_a_picture_is_at_hand_where_it_cannot_be_written(trained_run, tmp_path):
    messages, audio = [], trained_run.config.audio
    validation = dataclasses.replace(trained_run.validations[0], picture=b"", sample=b"")
    shown = save_pictures(validation, Run(tmp_path / "gone"), audio, BestEffort(messages.append))
    assert shown.picture == trained_run.run.picture(30).read_bytes() != b""
    assert shown.sample == trained_run.run.sample(30).read_bytes() != b""
    (message,) = messages
    assert "pictures could not be written" in message


def test_a_sample_that_cannot_be_spoken_does_not_cost_the_picture(trained_run, tmp_path):
    messages, run = [], Run(tmp_path)
    run.prepare()
    validation = trained_run.validations[0]
    clip = dataclasses.replace(
        validation.first_clip, predicted_mel=np.full((80, 9), np.nan, np.float32)
    )
    validation = dataclasses.replace(validation, first_clip=clip)
    shown = save_pictures(validation, run, trained_run.config.audio, BestEffort(messages.append))
    assert shown.sample == b"" and not run.sample(30).exists()
    assert shown.picture == run.picture(30).read_bytes() != b""
    assert len(messages) == 1 and "sample could not be spoken" in messages[0]


def test_the_gate_counts_only_at_the_end_of_the_text(validated, trained_run, monkeypatch):
    model, data = validated
    infer, given = model.infer, []

    def spy(text, text_lengths, **options):
        given.append((text, text_lengths, options["may_stop_from"]))
        return infer(text, text_lengths, **options)

    monkeypatch.setattr(model, "infer", spy)
    validate(model, data.val, trained_run.config, 60, CPU)
    ((text, lengths, ends),) = given
    for ids, length, end in zip(text.tolist(), lengths, ends, strict=True):
        assert sum(spoken_symbols(ids[end:length])) == 3
        assert spoken_symbols(ids)[end]


def without_prenet_dropout(run):
    """Dropout stays on in validation, so that other batches would have other losses."""
    checkpoint = load_checkpoint(run.current_model)
    checkpoint.config = checkpoint.config.replace(p_prenet_dropout=0.0)
    return checkpoint.build_model()


def test_the_loss_is_the_mean_over_all_frames(trained_run, validated):
    model, data = without_prenet_dropout(trained_run.run), validated[1]
    config = trained_run.config.replace(batch_size=1)
    frames = np.array(data.val.lengths)
    alone = [loss_of(model, data.val, index) for index in range(3)]
    assert len(set(frames)) > 1
    expected = float((frames * alone).sum() / frames.sum())
    assert validate(model, data.val, config, 60, CPU).loss == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_the_same_for_any_batch_size(trained_run, validated):
    """The clips have equal lengths: padding changes the loss, as in the published models."""
    model, data = without_prenet_dropout(trained_run.run), validated[1]
    alike = [i for i in range(11) if len(data.train[Pick(i, True)][0]) == 8][:5]
    mels = [data.train.mels[i][:50] for i in alike]
    assert len(alike) == 5 and all(len(mel) == 50 for mel in mels)
    clips = ClipDataset(
        [data.train.clips[i] for i in alike],
        mels,
        [None] * 5,
        SYMBOLS,
        "english",
        CONFIG.audio,
    )
    losses, scores = [], []
    for batch_size in (1, 2, 3, 5):
        config = trained_run.config.replace(batch_size=batch_size)
        validation = validate(model, clips, config, 60, CPU)
        losses.append(validation.loss)
        scores.append(validation.teacher_forced.focus)
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-5)
    assert scores == pytest.approx([scores[0]] * 4, rel=1e-4)


def loss_of(model, dataset, index):
    batch = collate([dataset[Pick(index, True)]])
    with torch.no_grad():
        out = model(batch.text, batch.text_lengths, batch.mel, batch.mel_lengths)
    arguments = (out.mel, out.mel_postnet, out.gate, batch.mel, batch.mel_lengths)
    return float(tacotron_loss(*arguments, CONFIG.train.gate_weight).total)


def test_the_history_row_has_the_historys_columns(trained_run):
    for validation in trained_run.validations:
        row = validation.history_row()
        assert set(row) <= set(Column)
        assert json.loads(json.dumps(row)) == row
        assert row["forced_aligned"] == validation.teacher_forced.aligned
        assert row["aligned"] == validation.free.aligned
        assert row["in_order"] == validation.teacher_forced.in_order
        assert row["free_in_order"] == validation.free.in_order
        assert 0 <= validation.stopped <= 1
        assert validation.first_clip.target_mel.shape[0] == 80
