from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ponytaco.metrics.alignment import AlignmentScore
from ponytaco.metrics.mel_cepstral import MelSimilarity
from ponytaco.runs.state import RunState
from ponytaco.text.encode import text_to_ids
from ponytaco.text.symbols import SYMBOLS
from ponytaco.training.validation import _scores, stagnation, voice_score

GOOD = AlignmentScore(0.8, 1.0, 1.0, 1.0, 0.1, 1.0, 1.0)
LOST = AlignmentScore(0.3, 0.5, 0.6, 2.0, 0.6, 0.0, 0.4)
NEAR = MelSimilarity(3.0, 1.0)


def found(score, aligned=True, loss=1.0):
    return SimpleNamespace(score=score, loss=loss, free=GOOD if aligned else LOST)


def judged(*validations):
    """The steps that were the best so far, counted from 1."""
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


def test_the_loss_does_not_decide_but_must_be_a_number():
    assert judged(found(0.3, loss=1.0), found(0.4, loss=9.0))[0] == [1, 2]
    nan = float("nan")
    assert judged(found(0.3, loss=nan), found(nan), found(0.1))[0] == [3]


def test_alignment_is_recorded():
    _, run_state = judged(found(0.1, False), found(0.2), found(0.2))
    assert (run_state.first_aligned, run_state.aligned_since) == (2, 2)
    _, run_state = judged(found(0.2), found(0.2, False))
    assert (run_state.first_aligned, run_state.aligned_since) == (1, None)


def test_stagnation_is_said_at_8_16_32_of_an_aligned_voice():
    run_state = RunState(best_aligned=True, best_score=0.5, best_step=1000)
    said = []
    for run_state.validations_since_best in range(70):
        if stagnation(run_state):
            said.append(run_state.validations_since_best)
    assert said == [8, 16, 32, 64]
    run_state.validations_since_best = 8
    assert "since step 1,000: it may be done" in stagnation(run_state)
    run_state.best_aligned = False
    assert stagnation(run_state) is None


def test_a_better_voice_ends_the_stagnation():
    _, run_state = judged(found(0.5), *[found(0.4)] * 7, found(0.6))
    assert run_state.validations_since_best == 0 and stagnation(run_state) is None


def test_what_attention_does_after_the_text_counts_only_where_the_gate_opened():
    ids = text_to_ids("bad day cake.", "basic", SYMBOLS)
    path = [*np.repeat(np.arange(len(ids)), 4), *[len(ids) - 1] * 40, *[2] * 60]
    attention = np.eye(len(ids), dtype=np.float32)[path]
    batch = SimpleNamespace(text=torch.tensor([ids]))
    dataset = SimpleNamespace(symbols=SYMBOLS)
    (stopped,) = _scores([attention], batch, dataset, 1, [True])
    (endless,) = _scores([attention], batch, dataset, 1, [False])
    assert not stopped.aligned and stopped.in_order < 0.5
    assert endless.aligned and endless.in_order == 1
