"""Voices of strangers: whatever is changed in one, it is read or refused at once."""

import contextlib
import copy
import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.costs import at_most
from support.soak import often
from support.tensor_files import edit, edit_header, parts_of, put_together, seal, stretch

from ponytaco.checkpoint.format import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    new_model,
    read_content,
    save_checkpoint,
    verified_checkpoint,
)
from ponytaco.checkpoint.warm_start import warm_start
from ponytaco.errors import PonytacoError
from ponytaco.presets import preset
from ponytaco.runs.state import RunState
from ponytaco.synthesis.voice import Voice
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS

CONFIG = preset("tiny")
MODEL = new_model(CONFIG)


def write_voice(path, **changes):
    checkpoint = Checkpoint(
        config=CONFIG,
        state_dict={k: v.half() if v.dim() > 1 else v for k, v in MODEL.state_dict().items()},
        symbols=SYMBOLS,
        ctc_symbols=CTC_SYMBOLS,
        mean_frame=torch.zeros(CONFIG.audio.n_mels),
        lexicon={"hello": "HH AH0 L OW1", "é": "EY1"},
        run_state=RunState(step=10),
        card={"name": "a", "minutes": 1.5},
    )
    for name, value in changes.items():
        setattr(checkpoint, name, value)
    save_checkpoint(path, checkpoint)
    return path


@pytest.fixture
def voice(tmp_path):
    return write_voice(tmp_path / "a.voice")


def refused(path, said, *reads):
    for read in reads or (load_checkpoint, verified_checkpoint):
        with at_most(), pytest.raises(CheckpointError, match=said) as error:
            read(path)
        assert str(path) in str(error.value) and str(error.value).endswith(".")
        assert str(error.value).isprintable()


def test_a_voice_comes_back_and_costs_little(voice):
    with at_most():
        loaded = load_checkpoint(voice)
    assert loaded.card == {"name": "a", "minutes": 1.5} and loaded.run_state.step == 10
    assert all(value.dtype is not torch.float16 for value in loaded.state_dict.values())


LARGEST = {
    "symbols_embedding_dim": 24_000, "encoder_embedding_dim": 24_000, "attention_rnn_dim": 24_000,
    "decoder_rnn_dim": 24_000, "prenet_dim": 24_000, "attention_dim": 24_000,
    "postnet_embedding_dim": 24_000,
}  # fmt: skip


@pytest.mark.parametrize("sizes", [*({k: v} for k, v in LARGEST.items()), LARGEST])
def test_a_voice_that_asks_for_a_huge_model_is_refused(voice, sizes):
    edit(voice, lambda content: content["config"]["model"].update(sizes))
    refused(voice, "do not fit|damaged or of another version")
    with at_most(), pytest.raises(CheckpointError):
        load_checkpoint(voice).build_model()


@pytest.mark.parametrize("where", ["state_dict", "trained", "optimizer", "rng"])
def test_gigabytes_that_no_model_needs_are_never_read(voice, where):
    """They are a hole, which takes no room on the disk."""
    weights = {} if where in ("optimizer", "rng") else MODEL.state_dict()
    hole = torch.zeros(1, dtype=torch.uint8)
    edit(voice, lambda content: content.update({where: {**weights, "hole": hole}}))
    stretch(voice, f"{where}.hole", [2**20, 2**11])
    refused(voice, "do not fit|more than the states")


def test_a_bit_in_a_shared_voice_is_always_found(voice):
    content = bytearray(voice.read_bytes())
    content[len(content) // 2] ^= 1
    voice.write_bytes(content)
    refused(voice, "damaged in .*Download or copy it again", load_checkpoint, read_content)
    refused(voice, "damaged in", lambda path: warm_start(copy.deepcopy(MODEL), SYMBOLS, path))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda name, value: value.fill_(-1) if name.endswith("running_var") else None,  # NaN
        lambda name, value: value.fill_(6e4) if value.is_floating_point() else None,  # infinity
        lambda name, value: value.fill_(99) if name == "postnet.convolutions.2.1.bias" else None,
    ],
)
@pytest.mark.parametrize("vocoder", ["griffin_lim", lambda mel: mel.exp().flatten(1)])
def test_finite_weights_whose_mels_are_not_are_one_sentence(voice, spoil, vocoder):
    edit(voice, lambda content: [spoil(*item) for item in content["state_dict"].items()])
    opened = Voice(voice, vocoder)
    with at_most(), pytest.raises(CheckpointError, match="cannot speak"):
        opened.speak("Hello.", max_seconds=0.5, retries=0)


@pytest.mark.parametrize(
    "version", ["", "two", "-2", "2.0", "²", "9" * 5000, "2" + " " * 9, "\x1b[2J"]
)
def test_a_version_that_is_none_is_no_traceback(voice, version):
    edit_header(voice, lambda header: header["__metadata__"].update(format_version=version))
    try:
        load_checkpoint(voice)
    except CheckpointError as error:
        assert str(error).isprintable()


# Any change


class WholeVoice:
    """A voice's bytes and header, which fills no screen where a test fails."""

    def __init__(self, path):
        write_voice(path)
        self.whole, (self.header, self.data) = path.read_bytes(), parts_of(path)
        self.content = json.loads(self.header["__metadata__"]["content"])


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return WholeVoice(tmp_path_factory.mktemp("voice") / "a.voice")


ATOMS = [
    None, True, 0, 1, -1, 2**31, 2**62, 10**600, 0.5, 1e300, float("nan"), float("inf"), "", "a",
    "\ud83d", "\u202e", "x" * 10_000, [], {}, [[]], [0] * 1000, {"$tensor": "mean_frame"},
    {"$tensor": "state_dict.embedding.weight"}, {"$tuple": [1]}, {"$dict": [[1, 2]]},
    {"$float": "nan"}, {"$code": 1}, {"a": {"b": [1, {"c": None}]}}, [8, 0], "F64", "U8",
]  # fmt: skip


def changed_value(value, path, atom, kind):
    """Replace, remove, repeat or wrap what lies at a path of fractions."""
    value = copy.deepcopy(value)
    at, parent, key = value, None, None
    for fraction in path:
        if not isinstance(at, dict | list) or not at:
            break
        parent, key = (
            at,
            (list(at) if isinstance(at, dict) else range(len(at)))[int(fraction * len(at))],
        )
        at = parent[key]
    if parent is None:
        return ATOMS[atom]
    if kind == "remove":
        del parent[key]
    elif kind == "add" and isinstance(parent, dict):
        parent[f"{key}x"] = ATOMS[atom]
    elif kind == "add":
        parent.append(ATOMS[atom])
    elif kind == "wrap":
        parent[key] = [at]
    else:
        parent[key] = copy.deepcopy(ATOMS[atom])
    return value


def changed(original, changes, path):
    """Write a voice with changes to its content, its header, and then its bytes."""
    header, content, is_parsed, whole = original.header, original.content, False, None
    for where, place, kind, atom in changes:
        if where == "content":
            content, is_parsed = changed_value(content, place, atom, kind), True
        elif where == "header":
            header, is_parsed = changed_value(header, place, atom, kind), True
    if is_parsed:
        if isinstance(header, dict) and isinstance(header.get("__metadata__"), dict):
            header["__metadata__"]["content"] = json.dumps(content)
        put_together(path, header, original.data)
        with contextlib.suppress(TypeError, LookupError, ValueError, OverflowError, OSError):
            seal(path)  # unless there is no place for a checksum
        whole = bytearray(path.read_bytes())
    whole = bytearray(original.whole if whole is None else whole)
    for where, place, kind, atom in changes:
        n_header = int.from_bytes(original.whole[:8], "little")
        at = int(place[0] * (n_header if place[1] < 0.7 else len(whole)))
        if where != "bytes":
            continue
        if kind == "remove":
            del whole[at : at + 1 + atom]
        elif kind == "add":
            whole[at:at] = json.dumps(ATOMS[atom]).encode()
        elif kind == "wrap":
            del whole[at:]
        else:
            whole[at : at + 1] = bytes([whole[at] ^ 1 << atom % 8]) if at < len(whole) else b""
    path.write_bytes(whole)


READERS = [
    lambda path: load_checkpoint(path).build_model(),
    read_content,
    lambda path: warm_start(copy.deepcopy(MODEL), SYMBOLS, path),
]
fraction = st.floats(0, 1, exclude_max=True)


@settings(
    max_examples=often(60, 3000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["content", "content", "content", "header", "bytes"]),
            st.tuples(fraction, fraction, fraction, fraction),
            st.sampled_from(["replace", "replace", "remove", "add", "wrap"]),
            st.integers(0, len(ATOMS) - 1),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_changed_voice_is_read_or_refused(original, tmp_path, changes):
    path = tmp_path / "a.voice"
    changed(original, changes, path)
    for read in READERS:
        with at_most():
            try:
                read(path)
            except PonytacoError as error:
                assert str(error) and str(error).isprintable()
