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
                     validations_since_best=7)  # fmt: skip
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
