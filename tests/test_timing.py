import torch

from ponytaco.timing import Timings, machine, seconds_of, take_turns


def test_alternatives_are_called_in_turns_and_a_warm_up_does_not_count():
    called = []
    timings = take_turns(
        {"a": lambda: called.append("a"), "b": lambda: called.append("b")}, rounds=3, warm_up=2
    )
    assert called == ["a", "b"] * 5
    assert [len(rounds) for rounds in timings.seconds.values()] == [3, 3]
    assert all(took >= 0 for rounds in timings.seconds.values() for took in rounds)


def test_ratios_are_taken_round_by_round():
    # The second round met a machine three times as slow: a mean would mix the two.
    timings = Timings({"ours": [1.0, 3.0, 1.1], "theirs": [2.0, 6.0, 2.0]})
    assert timings.median("ours") == 1.1
    assert timings.ratio("theirs", to="ours") == 2.0
    assert timings.ratio_range("theirs", to="ours") == (2.0 / 1.1, 2.0)


def test_a_call_is_timed(monkeypatch):
    clock = iter([10.0, 12.5])
    monkeypatch.setattr("ponytaco.timing.time.perf_counter", lambda: next(clock))
    assert seconds_of(lambda: None) == 2.5


def test_the_machine_in_one_line():
    said = machine()
    assert "\n" not in said
    assert f"torch {torch.__version__}" in said
    assert f"{torch.get_num_threads()} thread" in said
