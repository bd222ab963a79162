"""Nested values come back from JSON and tensors, to the bit."""

import math
import random
import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ponytaco.io.tensor_file.errors import TensorFileError
from ponytaco.io.tensor_file.nested import join, split


def check_same(ours, theirs):
    """Equal in type and to the bit, through all containers."""
    assert type(ours) is type(theirs), (ours, theirs)
    if isinstance(ours, dict):
        assert list(map(repr, ours)) == list(map(repr, theirs))
        for one, other in zip(ours.values(), theirs.values(), strict=True):
            check_same(one, other)
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            check_same(one, other)
    elif isinstance(ours, float) and not math.isnan(ours):
        assert struct.pack("d", ours) == struct.pack("d", theirs)
    elif isinstance(ours, torch.Tensor):
        assert ours is theirs
    else:
        assert repr(ours) == repr(theirs)


texts = st.text(st.characters(exclude_categories=["Cs"]))
leaves = (
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats() | texts
    | st.sampled_from(["$tensor", "$", "\0", "\u2028"]) | st.builds(torch.zeros, st.just(1))
)  # fmt: skip
keys = st.none() | st.booleans() | st.integers(-9, 9) | texts | st.sampled_from(["$dict", "a.b"])
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner),
    max_leaves=30,
)


@given(values)
def test_values_come_back_to_the_bit(value):
    check_same(join(*split(value)), value)


@given(st.floats(allow_nan=False) | st.sampled_from([5e-324, -0.0, 2**53 + 0.0, 1 / 3]))
def test_floats_come_back_to_the_bit(value):
    check_same(join(*split([value])), [value])


def test_the_states_of_a_run_come_back(tmp_path):
    model = torch.nn.LSTM(3, 4)
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.8, 0.99))
    model(torch.ones(2, 3))[0].sum().backward()
    optimizer.step()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**17)
    content = {
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "rng": {"torch": torch.get_rng_state(), "python": list(random.getstate()[1])},
        "score": math.inf,
    }
    text, tensors = split(content)
    assert "optimizer.state.0.exp_avg" in tensors
    check_same(join(text, tensors), content)
    optimizer.load_state_dict(join(text, tensors)["optimizer"])


def test_paths_that_look_alike_are_kept_apart():
    one, other = torch.zeros(1), torch.ones(1)
    text, tensors = split({"a.b": one, "a": {"b": other}, "1": one, 1: other})
    assert len(tensors) == 4
    check_same(join(text, tensors), {"a.b": one, "a": {"b": other}, "1": one, 1: other})


def test_texts_that_no_file_can_hold_get_question_marks():
    assert join(*split({"folder": "/data/\udcff"})) == {"folder": "/data/?"}


@pytest.mark.parametrize(
    "value", [{1.5: 2}, {2**16 + 1: 2}, {(1,): 2}, {1, 2}, b"x", object(), 2**63, 1j]
)
def test_what_it_does_not_know_it_does_not_write(value):
    with pytest.raises((TypeError, ValueError)):
        split({"x": value})


def nested(n, start, end):
    return start * n + "0" + end * n


HOSTILE = {
    "no JSON": "{", "two": "{}{}", "nothing": "", "a comment": "{}//",
    "a constant": '{"x":NaN}', "infinity": "[Infinity]", "minus infinity": "[-Infinity]",
    "a float beyond": "[1e999]", "a long float": "[0." + "1" * 5000 + "]",
    "a long number": "[1" + "0" * 600 + "]", "a longer number": "[-" + "9" * 5000 + "]",
    "more than 64 bits": "[9223372036854775808]",
    "a key twice": '{"a":1,"b":2,"a":1}', "a key twice, written otherwise": '{"a":1,"\\u0061":2}',
    "half a sign": '["\\ud83d"]', "half a sign as a key": '{"\\ude00":0}',
    "lists in lists": nested(40, "[", "]"), "tables in tables": nested(40, '{"a":', "}"),
    "many lists in lists": nested(100_000, "[", "]"), "an open list": "[" * 100_000,
    "many tables in tables": nested(100_000, '{"a":', "}"),
    "tuples in tuples": nested(40, '{"$tuple":[', "]}"),
    "an unknown tag": '{"$code":"x"}', "a tag without a name": '{"$":1}',
    "no such tensor": '{"$tensor":"z"}', "a tensor by number": '{"$tensor":0}',
    "a tensor by list": '{"$tensor":["w"]}',
    "a tensor twice": '[{"$tensor":"w"},{"$tensor":"w"}]', "a tensor left over": "[]",
    "a tuple of nothing": '{"$tuple":null}', "a tuple of a text": '{"$tuple":"ab"}',
    "another float": '{"$float":"1e5"}', "a float of a list": '{"$float":["inf"]}',
    "a table of a table": '{"$dict":{}}', "pairs of three": '{"$dict":[[1,2,3]]}',
    "texts as pairs": '{"$dict":["ab"]}', "a list as a key": '{"$dict":[[[],0]]}',
    "a large number as a key": '{"$dict":[[65537,0]]}',
    "a float as a key": '{"$dict":[[0.5,0]]}', "a tuple as a key": '{"$dict":[[{"$tuple":[]},0]]}',
    "nan as a key": '{"$dict":[[{"$float":"nan"},0]]}', "equal keys": '{"$dict":[[1,0],[1,1]]}',
    "keys of equal value": '{"$dict":[[1,0],[true,1]]}',
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_json_is_refused(name):
    tensors = {"w": torch.zeros(1)} if "tensor" in name else {}
    with pytest.raises(TensorFileError) as error:
        join(HOSTILE[name], tensors)
    assert str(error.value).isascii() and len(str(error.value)) < 100
