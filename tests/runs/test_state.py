import ast

import pytest
from support.paths import ROOT

from ponytaco.runs.state import RunState

STATE = ROOT / "ponytaco" / "runs" / "state.py"


def test_forgetting_the_alignment_keeps_the_best_voice():
    state = RunState(step=900, aligned_since=600, first_aligned=5, guidance_scale=0.25,
                     validations_since_best=7, best_score=0.5)  # fmt: skip
    state.forget_alignment()
    assert (state.aligned_since, state.guidance_scale, state.validations_since_best) == (None, 1, 0)
    assert (state.step, state.first_aligned, state.best_score) == (900, 5, 0.5)


def test_forgetting_the_best_voice_keeps_the_alignment():
    state = RunState(step=900, aligned_since=600, best_aligned=True, best_score=0.5, best_step=700,
                     validations_since_best=7, best_understood=0.5, best_likeness=0.5)  # fmt: skip
    state.forget_best()
    assert state == RunState(step=900, aligned_since=600)


def test_rolling_back_halves_the_learning_rate_and_keeps_count_of_skipped_steps():
    state = RunState(step=900, skipped_steps=60, learning_rate_scale=0.5, aligned_since=800)
    state.roll_back(RunState(step=700, skipped_steps=3, learning_rate_scale=1.0))
    assert state == RunState(step=700, skipped_steps=60, learning_rate_scale=0.25)


def test_recording_a_step_keeps_values_that_are_not_given():
    state = RunState(step=3, guidance_scale=0.5, seconds=7.0)
    state.record_step()
    assert state == RunState(step=4, guidance_scale=0.5, seconds=7.0)
    state.record_step(0.25, 9.0)
    assert state == RunState(step=5, guidance_scale=0.25, seconds=9.0)


LISTENED = dict(is_listened_to=True)


def test_the_voice_understood_best_is_the_best_whatever_its_score():
    state = RunState(step=1)
    assert state.record_validation(True, 0.9, 1.0, **LISTENED)
    assert state.record_validation(True, 0.2, 1.0, 0.30, 0.6, **LISTENED)
    assert not state.record_validation(True, 0.99, 1.0, 0.25, 0.9, **LISTENED)
    assert state.record_validation(False, 0.1, 1.0, 0.40, 0.5, **LISTENED)
    assert (state.best_understood, state.best_likeness, state.best_score) == (0.40, 0.5, 0.1)


def test_of_voices_understood_alike_the_one_more_like_the_character_is_better():
    state = RunState(step=1)
    assert state.record_validation(True, 0.5, 1.0, 0.500, 0.70, **LISTENED)
    assert not state.record_validation(True, 0.5, 1.0, 0.505, 0.69, **LISTENED)
    assert state.record_validation(True, 0.5, 1.0, 0.495, 0.71, **LISTENED)
    assert not state.record_validation(True, 0.5, 1.0, 0.495, None, **LISTENED)


def test_where_nothing_is_understood_the_score_decides():
    state = RunState(step=1)
    assert state.record_validation(True, 0.3, 1.0, 0.02, 0.9, **LISTENED)
    assert not state.record_validation(True, 0.2, 1.0, 0.04, 0.9, **LISTENED)
    assert state.record_validation(True, 0.4, 1.0, None, None, **LISTENED)
    assert state.best_understood is None


def test_a_voice_that_nobody_heard_is_not_compared_with_one_that_was_understood():
    state = RunState(step=1)
    state.record_validation(True, 0.3, 1.0, 0.5, 0.6, **LISTENED)
    assert not state.record_validation(True, 0.99, 1.0, **LISTENED)
    assert state.validations_since_best == 0  # no hint that it may be done
    assert not state.record_validation(True, 0.99, 1.0, 0.01, 0.9, **LISTENED)
    assert state.validations_since_best == 1


def test_where_nobody_listens_any_more_the_score_decides_again():
    state = RunState(step=1, best_aligned=True, best_score=0.3, best_understood=0.5)
    assert not state.record_validation(True, 0.2, 1.0)
    assert state.record_validation(True, 0.4, 1.0)
    assert state.best_understood is None
    # Back again: the first that is understood is the best, for nobody knows about the other.
    assert state.record_validation(True, 0.1, 1.0, 0.2, 0.5, **LISTENED)


def test_a_loss_that_is_no_number_is_never_the_best_however_it_sounds():
    assert not RunState().record_validation(True, 0.5, float("nan"), 0.9, 0.9, **LISTENED)


@pytest.mark.parametrize("changes", [
    {"best_understood": float("nan")}, {"best_likeness": "1"}, {"listening_seconds": None},
])  # fmt: skip
def test_a_strangers_state_of_listening_is_refused(changes):
    assert RunState(best_understood=0.5, best_likeness=0.5).is_valid
    assert not RunState(**changes).is_valid


def assigned(source):
    """Yield the attributes that a source assigns, as "object.name"."""
    for node in ast.walk(ast.parse(source)):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(part, ast.Attribute):
                    yield ast.unparse(part)


@pytest.mark.parametrize("path", sorted((ROOT / "ponytaco").rglob("*.py")), ids=lambda p: p.stem)
def test_only_its_own_methods_change_the_state(path):
    fields = set(RunState.__dataclass_fields__)
    written = [
        name for name in assigned(path.read_text(encoding="utf-8"))
        if name.rpartition(".")[2] in fields and name.split(".")[-2] in ("state", "run_state")
    ]  # fmt: skip
    assert path == STATE or not written
