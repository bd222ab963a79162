"""Runs whose loops go as graphs, with a stand-in for CUDA's."""

import pytest
import torch
from support.graphs import CPU, StandIn
from support.training import disturb_random_numbers, stop_after, train_quietly

import ponytaco.training.session as session_module
from ponytaco.checkpoint.format import load_checkpoint
from ponytaco.model import cuda_graphs
from ponytaco.model.cuda_graphs import Graphs
from ponytaco.presets import preset
from ponytaco.runs.folder import Run
from ponytaco.training.loop import train

CONFIG = preset("tiny").replace(
    batch_size=4, max_steps=8, validate_every=4, n_frames_per_step=1, gaf_every=2
)


@pytest.fixture(autouse=True)
def no_pictures_and_nothing_given_up(monkeypatch):
    monkeypatch.setattr(session_module, "save_pictures", lambda *args: None)
    monkeypatch.setattr(cuda_graphs, "_given_up", set())


@pytest.fixture
def made(monkeypatch):
    """The graphs of the sessions, made on the CPU where the setting allows."""
    made = []

    def graphs_for(device, setting, log):
        made.append(Graphs(CPU, log, StandIn()) if setting == "auto" else None)
        return made[-1]

    monkeypatch.setattr(session_module, "graphs_for", graphs_for)
    return made


def trained(run):
    return load_checkpoint(run.current_model).trained


def test_a_resumed_run_with_graphs_is_the_uninterrupted_one(fake_dataset, tmp_path, made):
    whole, resumed = Run(tmp_path / "whole"), Run(tmp_path / "resumed")
    train_quietly(fake_dataset, whole, CONFIG)
    train_quietly(fake_dataset, resumed, CONFIG, stop=stop_after(5))
    disturb_random_numbers()
    train_quietly(fake_dataset, resumed, CONFIG)
    assert len(made) == 3 and all(graphs.is_on and len(graphs) for graphs in made)
    ours, expected = trained(resumed), trained(whole)
    assert all(torch.equal(ours[name], expected[name]) for name in expected)


def test_it_learns_what_it_learns_without(fake_dataset, tmp_path, made):
    losses = []
    for setting in ("auto", "off"):
        reports = []
        train_quietly(
            fake_dataset, Run(tmp_path / setting), CONFIG.replace(cuda_graphs=setting),
            on_validation=reports.append,
        )  # fmt: skip
        losses.append([report.loss for report in reports])
    assert made[0]._capture.replayed > 100 and made[1] is None
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_out_of_memory_gives_up_the_graphs_before_it_splits_the_batch(
    fake_dataset, tmp_path, made, monkeypatch
):
    train_step = session_module.train_step

    def short_of_memory(*args, **how):
        if made[0].is_on and len(made[0]):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return train_step(*args, **how)

    monkeypatch.setattr(session_module, "train_step", short_of_memory)
    messages = []
    train(fake_dataset, Run(tmp_path), CONFIG.replace(max_steps=3), log=messages.append)
    assert [m for m in messages if "CUDA graphs are off" in m] and not made[0].is_on
    assert load_checkpoint(Run(tmp_path).current_model).run_state.n_micro_batches == 1
