"""Loops run as graphs, with a stand-in for CUDA's, against the same loops run plainly."""

import copy

import pytest
import torch
from support.decoders import SIZES, make_inputs, make_pair
from support.distances import largest_distance
from support.graphs import CPU, StandIn, make_graphs

from ponytaco.model import cuda_graphs
from ponytaco.model.cuda_graphs import TEXT_BUCKET, Block, Graphs, graphs_for, run_blocks
from ponytaco.model.decoder import DropoutMasks, ForcedAttention
from ponytaco.model.inference_decoder import PackedDecoder


@pytest.fixture(autouse=True)
def nothing_given_up(monkeypatch):
    monkeypatch.setattr(cuda_graphs, "_given_up", set())


def assert_equal(ours, plain):
    """Up to the rounding of sums over padded symbols, whose order is another one."""
    worst, where = largest_distance(ours, plain)
    assert worst < 1e-5, where


# The training loops


def train(decoder, n_frames, n_symbols=9, batch=3, is_told=False, dtype=None, backward_passes=1):
    """A step's outputs, and its gradients by name."""
    memory, text_lengths, mel = make_inputs(batch, n_symbols, n_frames)
    n_steps = -(-n_frames // decoder.n_frames_per_step)
    generator = torch.Generator().manual_seed(3)
    dims = (SIZES["attention_rnn_dim"], SIZES["decoder_rnn_dim"])
    masks = DropoutMasks(
        *(torch.rand(n_steps, batch, dim, generator=generator) > 0.3 for dim in dims)
    )
    told = None
    if is_told:
        weights = torch.rand(n_steps, batch, n_symbols, generator=generator).softmax(dim=2)
        told = ForcedAttention(weights, torch.rand(batch, 1, generator=generator))
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        out = decoder(memory, text_lengths, mel, masks=masks, forced_attention=told)
    loss = sum(
        (value.float() * torch.randn(value.shape, generator=generator)).sum() for value in out
    )
    named = {"memory": memory, **dict(decoder.named_parameters())}
    for number in range(backward_passes):
        keep = number + 1 < backward_passes
        grads = torch.autograd.grad(loss, list(named.values()), retain_graph=keep)
    return {
        **{name: value.detach() for name, value in out._asdict().items()},
        **{f"gradient of {name}": g for name, g in zip(named, grads, strict=True)},
    }


@pytest.mark.parametrize("head", ["plain", "mmi"])
@pytest.mark.parametrize("r", [1, 2])
@pytest.mark.parametrize(
    ("n_frames", "n_symbols"), [(7, 9), (32, 9), (33, TEXT_BUCKET), (64, 33), (101, 70)]
)
@pytest.mark.parametrize("is_told", [False, True])
def test_a_step_is_the_plain_one(head, r, n_frames, n_symbols, is_told):
    decoder, _ = make_pair(head, r)
    plain = train(decoder, n_frames, n_symbols, is_told=is_told)
    decoder.graphs, messages = make_graphs()
    # The first one is computed plainly, but for the padding; the others by graphs.
    for _ in range(3):
        assert_equal(train(decoder, n_frames, n_symbols, is_told=is_told), plain)
    assert not messages
    n_blocks = n_frames // r // 16
    assert len(decoder.graphs) == (4 if n_blocks else 0)
    assert decoder.graphs._capture.replayed == 3 * 4 * n_blocks


def test_without_padding_it_is_equal_to_the_bit():
    decoder, _ = make_pair("mmi", 1)
    plain = train(decoder, 50, TEXT_BUCKET)
    decoder.graphs, _ = make_graphs()
    for _ in range(3):
        ours = train(decoder, 50, TEXT_BUCKET)
        assert all(torch.equal(ours[name], plain[name]) for name in plain)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_products_in_a_shorter_type(dtype):
    decoder, _ = make_pair("mmi", 1)
    plain = train(decoder, 50, TEXT_BUCKET, dtype=dtype)
    exact = train(decoder, 50, TEXT_BUCKET)
    assert not torch.equal(plain["mel"], exact["mel"])
    decoder.graphs, messages = make_graphs()
    for _ in range(2):
        ours = train(decoder, 50, TEXT_BUCKET, dtype=dtype)
        assert all(torch.equal(ours[name], plain[name]) for name in plain)
    assert not messages


def test_one_graph_serves_all_lengths_and_nothing_stays_of_an_earlier_loop():
    decoder, _ = make_pair("plain", 1)
    sizes = [(40, 9), (16, 20), (90, 3), (40, 9), (17, 31)]
    plain = [train(decoder, *size) for size in sizes]
    decoder.graphs, messages = make_graphs()
    for size, expected in zip(sizes, plain, strict=True):
        assert_equal(train(decoder, *size), expected)
    assert not messages and len(decoder.graphs) == 4
    # Three had a smaller memory before the largest came.
    assert decoder.graphs._capture.captured == 7


def test_other_weights_and_another_model_of_the_same_sizes():
    decoder, _ = make_pair("mmi", 1)
    decoder.graphs, _ = make_graphs()
    train(decoder, 40)
    other = copy.deepcopy(decoder)
    assert other.graphs is decoder.graphs
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    ours, changed = train(decoder, 40), train(other, 40)
    assert not torch.equal(ours["mel"], changed["mel"])
    decoder.graphs = other.graphs = None
    assert_equal(ours, train(decoder, 40))
    assert_equal(changed, train(other, 40))


def test_two_backward_passes_as_of_the_gradient_adaptive_factor():
    decoder, _ = make_pair("mmi", 1)
    plain = train(decoder, 40)
    decoder.graphs, _ = make_graphs()
    for _ in range(2):
        assert_equal(train(decoder, 40, backward_passes=2), plain)


def test_own_frames_run_plainly_beside_graphs(monkeypatch):
    decoder, _ = make_pair("mmi", 1)
    inputs = [x.detach() for x in make_inputs(3, 9, 70)]
    decoder.eval()

    def free():
        draws = iter([0.1, 0.9, 0.2])  # windows of true, own and true frames
        monkeypatch.setattr(torch, "rand", lambda shape: torch.tensor(next(draws)))
        return decoder(*inputs, 0.5, 25)._asdict()

    plain = free()
    decoder.graphs, messages = make_graphs()
    for _ in range(2):
        assert_equal(free(), plain)
    assert not messages and decoder.graphs._capture.replayed > 0


# Blocks, buffers and their number


def add_up(weight, x, total, out):
    """A loop whose every step needs the one before."""
    for t in range(len(x)):
        total.mul_(0.5).add_(weight * x[t])
        out[t].copy_(total)


def run_added(graphs, x, weight, n=4, n_proofs=None):
    total, out = torch.zeros(x.shape[1:]), torch.empty_like(x)
    run_blocks(
        add_up, (weight,),
        (Block((x[i : i + n],), (total,), (out[i : i + n],)) for i in range(0, len(x), n)), graphs,
        n_proofs=n_proofs,
    )  # fmt: skip
    return out


@pytest.mark.parametrize(("n_proofs", "expected"), [(None, 5), (1, 1), (3, 3), (9, 5)])
def test_a_new_graph_is_compared_in_so_many_blocks(n_proofs, expected, monkeypatch):
    compared = []
    compare = cuda_graphs._Graph.compare
    monkeypatch.setattr(
        cuda_graphs._Graph, "compare", lambda *args: (compared.append(1), compare(*args))
    )
    graphs, messages = make_graphs()
    x = torch.randn(20, 5)
    for _ in range(3):
        ours = run_added(graphs, x, torch.tensor(2.0), n_proofs=n_proofs)
        assert torch.equal(ours, run_added(None, x, torch.tensor(2.0)))
    assert len(compared) == expected and not messages


def test_static_tensors_are_reused_and_inputs_copied():
    addresses = set()

    class Watching(StandIn):
        def __call__(self, compute):
            addresses.add(compute.__closure__ and graphs._memory.data_ptr())
            return super().__call__(compute)

    graphs, _ = make_graphs(Watching())
    x, weight = torch.randn(11, 5), torch.tensor(2.0)
    expected = run_added(None, x, weight)
    for _ in range(3):
        before = x.clone()
        assert torch.equal(run_added(graphs, x, weight), expected)
        assert torch.equal(x, before)
    assert torch.equal(run_added(graphs, -x, weight), -expected)
    assert torch.equal(run_added(graphs, x, 3 * weight), run_added(None, x, 3 * weight))
    assert len(addresses) == len(graphs) == 1
    # Two whole blocks each time; the three steps that are left over are never captured.
    assert graphs._capture.captured == 1 and graphs._capture.replayed == 10


def test_the_number_of_graphs_is_bounded_and_the_least_recently_used_goes():
    graphs, _ = make_graphs(most=3)
    weight = torch.tensor(2.0)

    def capture(width):
        before = graphs._capture.captured
        x = torch.randn(8, width)
        assert torch.equal(run_added(graphs, x, weight), run_added(None, x, weight))
        return graphs._capture.captured > before

    assert [capture(width) for width in (1, 2, 3, 1, 2, 3)] == [True] * 3 + [False] * 3
    assert not capture(1) and capture(4)
    assert len(graphs) == 3
    assert [capture(width) for width in (1, 3, 4)] == [False] * 3
    assert capture(2)  # the least recently used when the fourth came


def test_all_graphs_share_one_memory_which_grows_in_large_steps():
    graphs, _ = make_graphs()
    weight, sizes = torch.tensor(2.0), set()
    for width in (1000, 10, 500, 1999, 2000, 1):
        run_added(graphs, torch.randn(8, width), weight)
        sizes.add(len(graphs._memory))
    assert len(sizes) == 2 and max(sizes) == 2 * min(sizes)
    assert len(graphs) == 3  # those of the smaller memory are gone


# Falling back


def failing(kind):
    """A stand-in with a fault, and what the message must tell."""

    class Faulty(StandIn):
        def __call__(self, compute):
            if kind == "raises at capture":
                raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
            if kind == "out of memory":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore.")
            replay = super().__call__(compute)

            def faulty():
                if kind == "raises at the first launch" or self.replayed == 13:
                    raise RuntimeError("CUDA error: an illegal memory access")
                replay()

            return faulty if "launch" in kind else replay

    return Faulty()


MESSAGES = {
    "raises at capture": "could not be captured (CUDA error: operation not permitted",
    "out of memory": "could not be captured (CUDA out of memory. Tried to allocate 2 GiB)",
    "raises at the first launch": "could not be launched (CUDA error: an illegal memory access)",
    "raises at a later launch": "could not be launched (CUDA error: an illegal memory access)",
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_what_fails_is_computed_plainly_and_told_once(kind):
    decoder, _ = make_pair("mmi", 1)
    plain = train(decoder, 50)
    graphs, messages = make_graphs(failing(kind))
    decoder.graphs = graphs
    for _ in range(3):
        assert_equal(train(decoder, 50), plain)
    assert len(messages) == 1 and MESSAGES[kind] in messages[0], messages
    assert not graphs.is_on and len(graphs) == 0 and len(graphs._memory) == 0
    assert messages[0].count("\n") == 0


class Wrong(StandIn):
    """Captures what computes other values from the given graph on, in the given way."""

    def __init__(self, which, change):
        super().__init__()
        self.which, self.change = which, change

    def __call__(self, compute):
        number = self.captured
        replay = super().__call__(compute)
        outputs = compute.__closure__

        def wrong():
            replay()
            tensors = next(c.cell_contents for c in outputs if isinstance(c.cell_contents, list))
            if number == self.which:
                self.change(tensors[-1])

        return wrong


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize(
    "change",
    [lambda x: x.mul_(1.01), lambda x: x.zero_(), lambda x: x.view(-1)[3].fill_(torch.nan),
     lambda x: x.view(-1)[0].add_(torch.inf)],
    ids=["a little", "nothing", "not a number", "infinite"],
)  # fmt: skip
def test_wrong_values_and_wrong_gradients_are_noticed(which, change):
    """Graphs 0 and 1 are the loops, 2 and 3 their backward passes."""
    decoder, _ = make_pair("mmi", 1)
    plain = train(decoder, 50)
    decoder.graphs, messages = make_graphs(Wrong(which, change))
    for _ in range(3):
        assert_equal(train(decoder, 50), plain)
    assert len(messages) == 1 and "other values than the plain loop" in messages[0]
    assert not decoder.graphs.is_on


def test_where_the_plain_loop_is_not_finite_the_graph_need_not_be_equal():
    graphs, messages = make_graphs()
    x = torch.randn(8, 5)
    x[2, 3] = torch.inf
    for _ in range(2):
        run_added(graphs, x, torch.tensor(2.0))
    assert not messages


def test_after_giving_up_nothing_is_tried_again(monkeypatch):
    device = torch.device("cuda", 0)
    monkeypatch.setattr(cuda_graphs, "cuda_capture", lambda device: StandIn())
    monkeypatch.setattr(Graphs, "_static", lambda *args: [])
    monkeypatch.setattr(torch, "empty", lambda *args, **how: torch.zeros(0))
    messages = []
    assert graphs_for(CPU, "auto") is None and graphs_for(device, "off") is None
    graphs = graphs_for(device, "auto", messages.append)
    assert graphs is not None
    for _ in range(2):
        graphs.give_up("of a test")
    assert messages == [
        "CUDA graphs are off until the program ends, because of a test. All works without them, "
        "with the same result, but slower."
    ]
    assert graphs_for(device, "auto") is None


def test_another_thread_runs_plainly_meanwhile():
    graphs, _ = make_graphs()
    x, weight = torch.randn(8, 5), torch.tensor(2.0)
    run_added(graphs, x, weight)
    replayed = graphs._capture.replayed
    with graphs._in_use:
        assert torch.equal(run_added(graphs, x, weight), run_added(None, x, weight))
    assert graphs._capture.replayed == replayed


# Speaking


def speak(packed, max_frames, batch=1, n_symbols=9, threshold=1.0, **how):
    memory, text_lengths, _ = make_inputs(batch, n_symbols)
    torch.manual_seed(5)
    return packed(memory.detach(), text_lengths, max_frames, threshold, **how)._asdict()


@pytest.mark.parametrize("head", ["plain", "mmi"])
@pytest.mark.parametrize("r", [1, 3])
@pytest.mark.parametrize(("batch", "n_symbols"), [(1, 9), (3, TEXT_BUCKET), (2, 40)])
def test_speaking_in_blocks_is_the_plain_way(head, r, batch, n_symbols):
    decoder, _ = make_pair(head, r)
    decoder.prenet.p_dropout = 0.5
    decoder.eval()
    lengths = (5, 24, 50, 70)
    plain = [speak(PackedDecoder(decoder), n, batch, n_symbols) for n in lengths]
    decoder.graphs, messages = make_graphs()
    packed = PackedDecoder(decoder)
    for _ in range(2):
        for n, expected in zip(lengths, plain, strict=True):
            assert_equal(speak(packed, n, batch, n_symbols), expected)
    assert not messages
    assert len(decoder.graphs) == 1
    assert decoder.graphs._capture.replayed == 2 * sum(-(-n // r) // 8 for n in lengths)


@pytest.mark.parametrize("may_stop_from", [None, torch.tensor([3, 7, 2])])
def test_clips_end_where_they_end_without_graphs(may_stop_from):
    decoder, _ = make_pair("plain", 1)
    decoder.eval()
    plain = PackedDecoder(decoder)
    gates = speak(plain, 60, 3)["gate"].sigmoid()
    threshold = float(gates[:, 20:].max(dim=1).values.min()) - 1e-6
    how = {"batch": 3, "threshold": threshold, "may_stop_from": may_stop_from}
    expected = speak(plain, 200, **how)
    decoder.graphs, _ = make_graphs()
    packed = PackedDecoder(decoder)
    for _ in range(3):
        ours = speak(packed, 200, **how)
        assert ours["lengths"].tolist() == expected["lengths"].tolist()
        assert_equal(ours, expected)


def test_each_packed_decoder_has_graphs_of_its_own():
    """A graph has the addresses of the packed weights."""
    decoder, _ = make_pair("plain", 1)
    decoder.eval()
    decoder.graphs, _ = make_graphs()
    first = PackedDecoder(decoder)
    before = [speak(first, 20)["mel"] for _ in range(2)][-1]
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    second = PackedDecoder(decoder)
    after = [speak(second, 20)["mel"] for _ in range(2)][-1]
    decoder.graphs = None
    torch.testing.assert_close(after, speak(PackedDecoder(decoder), 20)["mel"])
    assert not torch.allclose(after, before)


@pytest.mark.parametrize("kind", MESSAGES)
def test_speaking_goes_on_plainly_where_graphs_fail(kind):
    decoder, _ = make_pair("mmi", 1)
    decoder.eval()
    plain = speak(PackedDecoder(decoder), 90)
    decoder.graphs, messages = make_graphs(failing(kind))
    packed = PackedDecoder(decoder)
    for _ in range(3):
        assert_equal(speak(packed, 90), plain)
    assert len(messages) == 1 and MESSAGES[kind] in messages[0]


@pytest.mark.parametrize("under", [torch.no_grad, torch.inference_mode])
def test_graphs_made_while_speaking_serve_everyone(under):
    decoder, _ = make_pair("mmi", 1)
    graphs, messages = make_graphs()
    decoder.graphs = graphs
    plain = train(make_pair("mmi", 1)[0], 40)
    with under():
        speak(PackedDecoder(decoder), 40)
    for _ in range(2):
        assert_equal(train(decoder, 40), plain)
    assert not messages
