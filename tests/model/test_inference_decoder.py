"""Free-running synthesis against the slow, obvious decoder fed with its own frames."""

import pytest
import torch
from support.decoders import SIZES, make_inputs, make_pair

from ponytaco.model.inference_decoder import PackedDecoder
from ponytaco.model.packed_linear import WeightTypeError


def close(ours, theirs, tolerance=1e-5):
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=10 * tolerance)


@pytest.mark.parametrize("head", ["plain", "mmi"])
@pytest.mark.parametrize("r", [1, 3])
@pytest.mark.parametrize("batch", [1, 3])
def test_it_speaks_as_the_reference_does(head, r, batch):
    ours, reference = make_pair(head, r)
    memory, text_lengths, _ = make_inputs(batch)
    out = PackedDecoder(ours.eval())(memory, text_lengths, max_frames=10, gate_threshold=1.0)
    nothing_true = torch.full((batch, SIZES["n_mels"], 10), 99.0)
    expected = reference(memory, text_lengths, nothing_true, forced=[False] * 10)
    assert out.lengths.tolist() == [10] * batch
    for value, theirs in zip(out[:4], expected, strict=True):
        close(value, theirs)


@pytest.mark.parametrize("r", [1, 3])
def test_a_clip_ends_at_the_frame_whose_gate_opens(r):
    ours, _ = make_pair("plain", r)
    memory, text_lengths, _ = make_inputs(batch=1)
    packed = PackedDecoder(ours.eval())
    gates = packed(memory, text_lengths, max_frames=24, gate_threshold=1.0).gate[0].sigmoid()
    threshold = float(gates.sort().values[-2])  # only the largest is above it
    out = packed(memory, text_lengths, max_frames=24, gate_threshold=threshold)
    end = int(gates.argmax()) + 1
    assert out.lengths.tolist() == [end]
    assert out.mel.shape[2] == out.gate.shape[1] == end
    assert out.alignment.shape[1] == out.hidden.shape[2] == -(-end // r)


def test_each_clip_of_a_batch_ends_for_itself_and_then_it_is_over():
    ours, _ = make_pair("plain", 1)
    memory, text_lengths, _ = make_inputs(batch=3)
    packed = PackedDecoder(ours.eval())
    gates = packed(memory, text_lengths, max_frames=40, gate_threshold=1.0).gate.sigmoid()
    threshold = float(gates[:, 4:].max(dim=1).values.min()) - 1e-6  # each clip crosses it
    expected = [int((row > threshold).float().argmax()) + 1 for row in gates]
    out = packed(memory, text_lengths, max_frames=4000, gate_threshold=threshold)
    assert out.lengths.tolist() == expected
    assert out.mel.shape[2] == max(expected)


@pytest.mark.parametrize("r", [1, 3])
def test_a_gate_is_believed_from_where_attention_has_come_to_the_end(r):
    ours, _ = make_pair("plain", r)
    memory, text_lengths, _ = make_inputs(batch=3)
    packed = PackedDecoder(ours.eval())
    whole = packed(memory, text_lengths, max_frames=60, gate_threshold=1.0)
    threshold = float(whole.gate.sigmoid().min()) - 1e-6  # open all the time
    furthest = whole.alignment.argmax(dim=2).cummax(dim=1).values  # (B, T_steps)
    for steps in ([0, 0, 0], [3, 7, 8], [19, 1, 12]):
        ends = furthest[range(3), steps]
        first = [
            int((row >= end).float().argmax()) for row, end in zip(furthest, ends, strict=True)
        ]
        out = packed(memory, text_lengths, 60, threshold, ends)
        assert out.lengths.tolist() == [step * r + 1 for step in first]
        assert out.mel.shape[2] == max(out.lengths)
    never = packed(memory, text_lengths, 60, threshold, text_lengths)
    assert never.lengths.tolist() == [60, 60, 60]
    assert packed(memory, text_lengths, 60, threshold).lengths.tolist() == [1, 1, 1]


def test_a_clip_does_not_change_with_its_batch():
    ours, _ = make_pair("mmi", 1)
    memory, text_lengths, _ = make_inputs(batch=3)
    packed = PackedDecoder(ours.eval())
    together = packed(memory, text_lengths, max_frames=8, gate_threshold=1.0)
    for i, length in enumerate(text_lengths.tolist()):
        alone = packed(memory[i : i + 1, :length], text_lengths[i : i + 1], 8, 1.0)
        close(together.mel[i : i + 1], alone.mel)


@pytest.mark.parametrize(
    ("weight_type", "tolerance"), [("float16", 2e-3), ("bfloat16", 0.03), ("int8", 0.1)]
)
def test_shorter_weights_speak_nearly_the_same(weight_type, tolerance):
    ours, _ = make_pair("mmi", 2)
    memory, text_lengths, _ = make_inputs(batch=3)
    exact = PackedDecoder(ours.eval())(memory, text_lengths, 12, 1.0)
    short = PackedDecoder(ours, weight_type)(memory, text_lengths, 12, 1.0)
    assert not torch.equal(short.mel, exact.mel)
    torch.testing.assert_close(short.mel, exact.mel, atol=tolerance, rtol=0)


def test_an_unknown_weight_type_is_refused():
    known = "auto, float32, float16, bfloat16, int8"
    with pytest.raises(WeightTypeError, match=f"int4.*There are: {known}"):
        PackedDecoder(make_pair("plain", 1)[0], "int4")


def test_the_prenet_dropout_stays_on():
    ours, _ = make_pair("mmi", 1)
    ours.prenet.p_dropout = 0.5
    for layer in ours.prenet.layers:  # as initialised, few of the small layers' ReLUs open
        torch.nn.init.uniform_(layer.linear_layer.weight, -3, 3)
    memory, text_lengths, _ = make_inputs(batch=1)
    packed = PackedDecoder(ours.eval())
    first, second = (packed(memory, text_lengths, 8, 1.0).mel for _ in range(2))
    assert not torch.equal(first, second)
