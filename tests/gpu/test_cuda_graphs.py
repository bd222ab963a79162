"""CUDA graphs against the plain loops, on the same GPU."""

import copy
import warnings

import pytest
import torch
from support.distances import distance, largest_distance

from ponytaco.checkpoint.format import new_model
from ponytaco.evaluation.speed import noise_batch
from ponytaco.model import cuda_graphs
from ponytaco.model.cuda_graphs import Graphs, graphs_for
from ponytaco.model.inference_decoder import PackedDecoder
from ponytaco.presets import preset
from ponytaco.runs.state import RunState
from ponytaco.training.optimizer import make_optimizer
from ponytaco.training.precision import grad_scaler, product_dtype
from ponytaco.training.step import train_step

pytestmark = pytest.mark.gpu

# A graph launches the same kernels; a library may still choose others for other addresses.
TOLERANCES = {"float32": 1e-4, "bfloat16": 0.03, "float16": 0.01}


@pytest.fixture(autouse=True)
def nothing_given_up(monkeypatch):
    monkeypatch.setattr(cuda_graphs, "_given_up", set())


@pytest.fixture
def graphs(device):
    if device.type != "cuda":
        pytest.skip("only CUDA has graphs")
    messages = []
    graphs = Graphs(device, messages.append)
    yield graphs
    assert messages == []


def gradients(model, batch, precision, r):
    """All gradients of a step without dropout of layers, and the factor's two backward passes."""
    torch.manual_seed(0)
    settings = preset("tiny").replace(precision=precision, gaf_every=1, n_frames_per_step=r).train
    optimizer = make_optimizer(model, settings)
    scaler = grad_scaler(product_dtype(precision, batch.mel.device), batch.mel.device)
    if scaler.is_enabled():
        scaler.load_state_dict({**scaler.state_dict(), "scale": 256.0})
    mean_frame = torch.full((80,), -5.0, device=batch.mel.device)
    gaf = torch.zeros((), device=batch.mel.device)
    losses = train_step(model, optimizer, batch, settings, RunState(), gaf, mean_frame, scaler)
    assert not losses.skipped
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("r", [1, 2])
@pytest.mark.parametrize("name", ["tiny", "full"])
def test_gradients_are_those_of_the_plain_loops(device, graphs, measured, name, r, precision):
    config = preset(name).replace(n_frames_per_step=r)
    torch.manual_seed(0)
    model = new_model(config).to(device)
    lengths = ([80, 57, 31], [150, 140, 81]), ([20, 17, 70], [70, 90, 66])
    batches = [noise_batch(config, *map(torch.tensor, pair)).to(device) for pair in lengths]
    plain = [gradients(copy.deepcopy(model), batch, precision, r) for batch in batches]
    model.decoder.graphs = graphs
    worst = 0.0
    for _ in range(3):  # the first one proves the graphs
        for batch, expected in zip(batches, plain, strict=True):
            ours = gradients(copy.deepcopy(model), batch, precision, r)
            worst = max(worst, largest_distance(ours, expected)[0])
    assert len(graphs) >= 4
    measured("gradients apart by", worst)
    measured("static memory, MB", len(graphs._memory) / 1e6)
    assert worst < 10 * TOLERANCES[precision]


@pytest.mark.parametrize("weight_type", TOLERANCES)
@pytest.mark.parametrize("batch", [1, 8])
def test_speech_is_that_of_the_plain_loop(device, graphs, measured, weight_type, batch):
    torch.manual_seed(0)
    decoder = new_model(preset("full")).to(device).eval().decoder
    memory = torch.randn(batch, 45, 512, device=device).clamp(-1, 1)
    lengths = torch.full((batch,), 45)

    def speak(packed):
        torch.manual_seed(1)
        return packed(memory, lengths, 150, 1.0)

    plain = speak(PackedDecoder(decoder, weight_type))
    decoder.graphs = graphs
    packed = PackedDecoder(decoder, weight_type)
    worst = max(distance(speak(packed).mel, plain.mel) for _ in range(3))
    assert len(graphs) == 1
    measured("mels apart by", worst)
    assert worst < 2 * TOLERANCES[weight_type]


def test_steps_with_graphs_do_not_wait_for_the_gpu(device, graphs):
    config = preset("tiny").replace(precision="float32", mmi=False)
    model = new_model(config).to(device)
    model.decoder.graphs = graphs
    batch = noise_batch(config, torch.tensor([30, 20]), torch.tensor([150, 140])).to(device)
    memory = model.encoder(model.embedding(batch.text).transpose(1, 2), batch.text_lengths)
    memory = memory.detach().requires_grad_()

    def step():
        out = model.decoder(memory, batch.text_lengths.to(device), batch.mel)
        out.mel.sum().backward()

    for _ in range(2):
        step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_memory_is_shared_and_given_back(device, measured):
    if device.type != "cuda":
        pytest.skip("only CUDA has graphs")
    config = preset("full").replace(precision="float32")
    model = new_model(config).to(device)

    def run(n_symbols):
        lengths = torch.full((8,), n_symbols), torch.full((8,), 64)
        batch = noise_batch(config, *lengths).to(device)
        model(batch.text, batch.text_lengths, batch.mel, batch.mel_lengths).mel.sum().backward()
        model.zero_grad(set_to_none=True)

    run(160)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(device)
    graphs = Graphs(device)
    model.decoder.graphs = graphs
    for n_symbols in (30, 60, 90, 120, 160, 30, 160):
        run(n_symbols)
    torch.cuda.synchronize()
    held = (torch.cuda.memory_allocated(device) - before) / 1e6
    measured("graphs", len(graphs))
    measured("held, MB", held)
    assert held < 600
    with warnings.catch_warnings(record=True):
        graphs.give_up("of a test")
    torch.cuda.empty_cache()
    assert torch.cuda.memory_allocated(device) - before < 50e6


def test_a_capture_that_fails_leaves_a_working_gpu(device):
    if device.type != "cuda":
        pytest.skip("only CUDA has graphs")
    messages = []
    graphs = graphs_for(device, "auto", messages.append)
    x = torch.randn(8, 5, device=device)

    def waits(x, out):
        out.copy_(x * float(x.sum()))  # reading a value cannot be captured

    out = torch.empty_like(x)
    block = cuda_graphs.Block((x,), (), (out,))
    cuda_graphs.run_blocks(waits, (), [block], graphs)
    assert torch.allclose(out, x * x.sum())
    assert len(messages) == 1 and "could not be captured" in messages[0]
    assert graphs_for(device, "auto") is None
    again = Graphs(device, messages.append)
    for _ in range(2):
        cuda_graphs.run_blocks(lambda x, out: out.copy_(2 * x), (), [block], again)
        assert torch.equal(out, 2 * x)
    assert len(messages) == 1 and len(again) == 1
