import dataclasses
import errno
import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from support.full_disk import no_file_larger_than
from support.tensor_files import edit, edit_header

from ponytaco.checkpoint.format import (
    FORMAT_VERSION,
    Checkpoint,
    CheckpointError,
    NewerCheckpointError,
    load_checkpoint,
    new_model,
    read_content,
    require_same_architecture,
    save_checkpoint,
    verified_checkpoint,
)
from ponytaco.checkpoint.warm_start import warm_start
from ponytaco.io.store.errors import disk_error
from ponytaco.presets import preset
from ponytaco.runs.state import RunState
from ponytaco.text.symbols import CTC_SYMBOLS, SYMBOLS
from ponytaco.training.rng import rng_state


@pytest.fixture
def config():
    return preset("tiny").replace(learning_rate=3e-4, p_head_dropout=0.25, seed=5)


@pytest.fixture
def checkpoint(config):
    torch.manual_seed(0)
    model = new_model(config)
    optimizer = torch.optim.Adam(model.parameters())
    model.embedding.weight.square().sum().backward()
    optimizer.step()
    trained = {name: value + 1 for name, value in model.state_dict().items()}
    return Checkpoint(
        config=config,
        state_dict=model.state_dict(),
        symbols=SYMBOLS,
        ctc_symbols=CTC_SYMBOLS,
        mean_frame=torch.rand(80),
        lexicon={"hello": "HH AH0 L OW1"},
        run_state=RunState(
            step=12,
            seconds=3.5,
            gaf=0.25,
            skipped_steps=2,
            aligned_since=10,
            first_aligned=4,
            guidance_scale=0.75,
            best_aligned=True,
            best_score=0.5,
        ),  # fmt: skip
        trained=trained,
        optimizer=optimizer.state_dict(),
        sampler={"epoch": 3, "drawn": [[4, 1]], "letters": [True, True]},
        rng=rng_state(),
        fingerprint="abc",
        dataset="datasets/Beeps",
    )


def assert_same(one, other):
    """Equal to the bit, through mappings, sequences and tensors."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other) and one.dtype == other.dtype
    elif hasattr(one, "items"):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def assert_is_a_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")


# Saving and loading


def test_everything_comes_back(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "model", checkpoint)
    loaded = load_checkpoint(tmp_path / "model")
    for field in dataclasses.fields(Checkpoint):
        ours, theirs = getattr(checkpoint, field.name), getattr(loaded, field.name)
        if field.name in ("config", "run_state"):
            assert ours == theirs
        else:
            assert_same(
                list(ours) if isinstance(ours, tuple) else ours,
                list(theirs) if isinstance(theirs, tuple) else theirs,
            )
    assert leftovers(tmp_path) == []


def test_the_safetensors_library_opens_it(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "model", checkpoint)
    with safetensors.safe_open(tmp_path / "model", "pt") as file:
        metadata = file.metadata()
        for name, value in checkpoint.state_dict.items():
            assert torch.equal(file.get_tensor(f"state_dict.{name}"), value), name
    assert metadata["format_version"] == str(FORMAT_VERSION) and metadata["ponytaco"]
    assert json.loads(metadata["content"])["config"]["model"]["attention_rnn_dim"] == 48


def test_it_rebuilds_its_own_model(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "model", checkpoint)
    model = load_checkpoint(tmp_path / "model").build_model()
    assert not model.training
    assert_same(dict(model.state_dict()), dict(checkpoint.state_dict))


def test_weights_that_do_not_fit_their_settings_are_one_sentence(checkpoint, tmp_path):
    checkpoint.config = checkpoint.config.replace(prenet_dim=16, attention_dim=8)
    save_checkpoint(tmp_path / "model", checkpoint)
    with pytest.raises(CheckpointError, match="model do not fit its own settings") as error:
        load_checkpoint(tmp_path / "model")
    assert_is_a_sentence(error)
    with pytest.raises(CheckpointError, match="the checkpoint do not fit"):
        checkpoint.build_model()


# Broken, hostile and foreign files


class _Hostile:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("form", ["torch", "pickle"])
@pytest.mark.parametrize("reader", ["load", "warm start"])
def test_code_in_a_checkpoint_does_not_run(tmp_path, form, reader):
    path, trace = tmp_path / "model", tmp_path / "it-ran"
    content = {"format_version": 1, "state_dict": _Hostile(trace)}
    if form == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(CheckpointError) as error:
        if reader == "load":
            load_checkpoint(path)
        else:
            warm_start(new_model(preset("tiny")), SYMBOLS, path)
    assert not trace.exists()
    assert_is_a_sentence(error)


@pytest.mark.parametrize("damage", ["missing", "folder", "empty", "garbage", "half", "text", "zip"])
def test_a_broken_file_is_one_sentence(checkpoint, tmp_path, damage):
    path = tmp_path / "model"
    save_checkpoint(path, checkpoint)
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("hello.txt", "hello")
    elif damage != "missing":
        path.write_bytes(
            {"empty": b"", "garbage": bytes(range(256)) * 40, "half": content[: len(content) // 2],
             "text": b"git lfs pointer\n"}[damage]
        )  # fmt: skip
    with pytest.raises(CheckpointError, match="model") as error:
        load_checkpoint(path)
    assert_is_a_sentence(error)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.pop("sampler"), "damaged"),
        (lambda c: c.update(config={"model": {"colour": 3}}), "colour"),
        (lambda c: c.update(config=7), "damaged"),
        (lambda c: c.update(run_state={"steps": 3}), "damaged"),
        (lambda c: c.update(run_state=7), "damaged"),
        (lambda c: c.update(state_dict=[1, 2]), "damaged|do not fit"),
        (lambda c: c.update(trained=[1, 2]), "damaged|do not fit"),
        (lambda c: c.update(symbols=7), "damaged|do not fit"),
        (lambda c: c.update(lexicon=None), "damaged"),
    ],
)
def test_another_content_is_one_sentence(checkpoint, tmp_path, change, said):
    path = tmp_path / "model"
    changed(path, checkpoint, change)
    with pytest.raises(CheckpointError, match=said) as error:
        load_checkpoint(path)
    assert_is_a_sentence(error)


@pytest.mark.parametrize("read", [load_checkpoint, read_content])
def test_a_newer_version_is_one_sentence(checkpoint, tmp_path, read):
    path = tmp_path / "model"
    save_checkpoint(path, checkpoint)
    newer = str(FORMAT_VERSION + 1)
    edit_header(path, lambda h: h["__metadata__"].update(format_version=newer, content="{}"))
    with pytest.raises(NewerCheckpointError, match="Upgrade") as error:
        read(path)
    assert_is_a_sentence(error)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_torch_file_is_for_a_warm_start(tmp_path, is_zip):
    """NVIDIA's, and what ponytaco wrote before 0.2."""
    torch.save({"format_version": 1}, tmp_path / "m", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(CheckpointError, match="not a ponytaco checkpoint.*--warm-start") as error:
        load_checkpoint(tmp_path / "m")
    assert_is_a_sentence(error)


def test_another_programs_tensors_are_for_a_warm_start(checkpoint, tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(dict(checkpoint.state_dict), path)
    with pytest.raises(CheckpointError, match="not a ponytaco checkpoint.*--warm-start") as error:
        load_checkpoint(path)
    assert_is_a_sentence(error)
    model = new_model(checkpoint.config)
    assert warm_start(model, SYMBOLS, path).share == 1
    assert_same(dict(model.state_dict()), dict(checkpoint.state_dict))


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), "hello"])
def test_a_file_that_holds_no_table_is_no_checkpoint(tmp_path, content):
    torch.save(content, tmp_path / "model")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read_content(tmp_path / "model")


# Saving is whole or not at all


@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("where", ["zlib.crc32", "os.fsync", "os.replace"])
def test_a_save_that_fails_leaves_the_last_one(checkpoint, tmp_path, monkeypatch, failure, where):
    path = tmp_path / "model"
    save_checkpoint(path, checkpoint)
    before = path.read_bytes()

    calls = []

    def fail(*args, **kwargs):
        calls.append(args)
        if where != "zlib.crc32" or len(calls) > 9:  # after half a file
            raise failure
        return 0

    monkeypatch.setattr(where, fail)
    expected = KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else CheckpointError
    with pytest.raises(expected) as error:
        save_checkpoint(path, checkpoint)
    if expected is CheckpointError:
        assert_is_a_sentence(error)
    assert path.read_bytes() == before
    assert leftovers(tmp_path) == []


def test_a_disk_that_fills_up_while_saving(checkpoint, tmp_path):
    path = tmp_path / "model"
    save_checkpoint(path, checkpoint)
    before = path.read_bytes()
    with pytest.raises(CheckpointError) as error, no_file_larger_than(100_000):
        save_checkpoint(path, checkpoint)
    assert_is_a_sentence(error)
    assert path.read_bytes() == before
    assert leftovers(tmp_path) == []


def test_a_folder_that_is_gone(checkpoint, tmp_path):
    with pytest.raises(CheckpointError) as error:
        save_checkpoint(tmp_path / "gone" / "model", checkpoint)
    assert_is_a_sentence(error)


# Another architecture


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attention_rnn_dim", 64), ("head", "plain"), ("n_frames_per_step", 3),
        ("postnet_n_convolutions", 4), ("n_mels", 40), ("hop_length", 200), ("f_max", 7000.0),
        ("sample_rate", 16_000),
    ],
)  # fmt: skip
def test_another_architecture_is_refused_by_name(config, name, value):
    if name == "sample_rate":
        config = config.replace(f_max=8000.0)
    wanted = config.replace(**{name: value})
    with pytest.raises(CheckpointError, match=f"{name}=.*{value}") as error:
        require_same_architecture(config, wanted, Path("runs/X/current_model"))
    assert_is_a_sentence(error)


@pytest.mark.parametrize("come_to", [3, 2, 1])
def test_a_run_goes_on_from_any_of_its_frames_a_step(config, come_to):
    wanted = config.replace(n_frames_per_step=3, reduce_frames_to="2,1")
    require_same_architecture(wanted.reduced_to(come_to), wanted, Path("runs/X/current_model"))
    require_same_architecture(
        config.replace(n_frames_per_step=come_to), wanted, Path("runs/X/current_model")
    )


def test_frames_a_step_that_a_run_does_not_come_to_are_refused(config):
    path = Path("runs/X/current_model")
    wanted = config.replace(n_frames_per_step=3, reduce_frames_to="1")
    with pytest.raises(CheckpointError, match="n_frames_per_step=2, not 3"):
        require_same_architecture(config.replace(n_frames_per_step=2), wanted, path)
    with pytest.raises(CheckpointError, match="n_frames_per_step=3, not 1"):  # there is no way back
        require_same_architecture(wanted, wanted.reduced_to(1), path)


def test_dropouts_and_training_may_change(config):
    wanted = config.replace(
        p_head_dropout=0.0, p_prenet_dropout=0.3, p_attention_dropout=0.2, batch_size=3,
        learning_rate=0.1, max_steps=7, p_arpabet=0.5,
    )  # fmt: skip
    require_same_architecture(config, wanted, Path("runs/X/current_model"))


# What a stranger may have put in


def changed(path, checkpoint, change):
    save_checkpoint(path, checkpoint)
    edit(path, change)


@pytest.mark.parametrize(
    "setting",
    [
        ("model", "decoder_rnn_dim", 32_000), ("model", "encoder_n_convolutions", 64),
        ("model", "decoder_rnn_dim", 10**9), ("model", "postnet_n_convolutions", 10**9),
        ("audio", "n_mels", 1000), ("audio", "n_fft", 10**12),
    ],
)  # fmt: skip
def test_settings_of_any_size_make_nothing_of_it(checkpoint, tmp_path, monkeypatch, setting):
    section, name, value = setting
    path = tmp_path / "model"
    changed(path, checkpoint, lambda c: c["config"][section].update({name: value}))
    made = []
    monkeypatch.setattr(torch.nn.Module, "to", lambda *args: made.append(1))
    with pytest.raises(CheckpointError):
        load_checkpoint(path).build_model()
    assert not made


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["run_state"].update(step="many"),
        lambda c: c["run_state"].update(step=-1),
        lambda c: c["run_state"].update(step=2**60),
        lambda c: c["run_state"].update(seconds=float("nan")),
        lambda c: c["run_state"].update(guidance_scale=1e9),
        lambda c: c["run_state"].update(guidance_scale="whole"),
        lambda c: c["state_dict"].update({"embedding.weight": [1, 2]}),
        lambda c: c["state_dict"].update({3: torch.zeros(1)}),
        lambda c: c["trained"].update({"embedding.weight": [1, 2]}),
        lambda c: c.update(symbols=[1, 2]),
        lambda c: c.update(symbols=["a"] * 100_000),
        lambda c: c.update(mean_frame=[0.0]),
        lambda c: c.update(mean_frame=torch.zeros(80, dtype=torch.int64)),
        lambda c: c.update(lexicon={"a": 3}),
        lambda c: c.update(optimizer=[1]),
        lambda c: c.update(sampler=[1]),
        lambda c: c.update(rng=3),
        lambda c: c.update(dataset=None),
        lambda c: c.update(version=7),
        lambda c: c.update(seen_symbols="abc"),
        lambda c: c.update(longest_text=-1),
    ],
)
def test_content_of_another_kind_is_damage(checkpoint, tmp_path, change):
    path = tmp_path / "model"
    changed(path, checkpoint, change)
    with pytest.raises(CheckpointError, match="damaged") as error:
        load_checkpoint(path)
    assert_is_a_sentence(error)


def test_a_bit_in_the_weights_does_not_verify(checkpoint, tmp_path):
    """One that changes a number into another, which only the member's checksum tells."""
    path = tmp_path / "model"
    save_checkpoint(path, checkpoint)
    name = "postnet.convolutions.0.0.conv.bias"
    content = bytearray(path.read_bytes())
    place = content.index(checkpoint.state_dict[name].numpy().tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert not torch.equal(load_checkpoint(path).state_dict[name], checkpoint.state_dict[name])
    with pytest.raises(CheckpointError, match="damaged in"):
        verified_checkpoint(path)


@pytest.mark.parametrize("where", ["both", "trained"])
def test_weights_of_other_shapes_are_refused(checkpoint, tmp_path, where):
    path = tmp_path / "model"
    if where == "both":
        checkpoint.config = checkpoint.config.replace(attention_rnn_dim=24)
    else:
        checkpoint.trained = {**checkpoint.trained, "embedding.weight": torch.zeros(3, 2)}
    save_checkpoint(path, checkpoint)
    with pytest.raises(CheckpointError, match="do not fit"):
        load_checkpoint(path)


@pytest.mark.parametrize("weights", ["state_dict", "trained"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_do_not_verify(checkpoint, tmp_path, value, weights):
    path = tmp_path / "model"
    save_checkpoint(path, checkpoint)
    assert verified_checkpoint(path).run_state.step == 12
    getattr(checkpoint, weights)["postnet.convolutions.0.0.conv.bias"][3] = value
    save_checkpoint(path, checkpoint)
    with pytest.raises(CheckpointError, match="postnet.*NaN or infinite"):
        verified_checkpoint(path)


def test_a_lexicon_of_a_whole_language_comes_back(checkpoint, tmp_path):
    checkpoint.lexicon = {f"word{i:06d}": "W ER1 D " + "AH0 " * 5 for i in range(200_000)}
    save_checkpoint(tmp_path / "model", checkpoint)
    assert load_checkpoint(tmp_path / "model").lexicon == checkpoint.lexicon


def test_an_error_of_the_disk_is_not_damage(checkpoint, tmp_path, monkeypatch):
    """The store reads such a file again, and never deletes it."""

    def fail(*args, **kwargs):
        raise OSError(errno.EIO, "Input/output error")

    save_checkpoint(tmp_path / "model", checkpoint)
    monkeypatch.setattr("ponytaco.io.tensor_file.file.TensorFile.read", fail)
    for read in (load_checkpoint, read_content):
        with pytest.raises(CheckpointError, match="cannot be read: Input/output error") as error:
            read(tmp_path / "model")
        assert disk_error(error.value).errno == errno.EIO
