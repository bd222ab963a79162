import argparse
import dataclasses
import shutil

import pytest
import torch
from support.golden_states import GOLDEN_SIZES, golden_state

from ponytaco.checkpoint.conversion.sizes import sizes_of
from ponytaco.checkpoint.format import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    new_model,
    save_checkpoint,
)
from ponytaco.checkpoint.warm_start import sizes_in, warm_start
from ponytaco.config import Config
from ponytaco.presets import preset, presets_with
from ponytaco.runs.folder import Run, RunError
from ponytaco.text.symbols import COOKIETTS_SYMBOLS, CTC_SYMBOLS, NVIDIA_SYMBOLS, SYMBOLS

GOLDEN_STATE = golden_state("plain")


def golden_model(head="plain", **changes):
    torch.manual_seed(3)
    return new_model(Config().replace(**{**GOLDEN_SIZES[head], **changes}))


def assert_is_a_sentence(error):
    said = str(error.value)
    assert said.endswith(".") and "\n" not in said


@pytest.fixture
def checkpoint():
    torch.manual_seed(0)
    config = preset("tiny").replace(n_frames_per_step=2)
    return Checkpoint(config, new_model(config).state_dict(), SYMBOLS, CTC_SYMBOLS, torch.zeros(80))


def saved(path, checkpoint, **changes):
    save_checkpoint(path, dataclasses.replace(checkpoint, **changes))
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_nvidias_weights_are_taken_and_symbols_mapped_by_sign(tmp_path, prefix, wrapped):
    state = {prefix + name: value for name, value in GOLDEN_STATE.items()}
    content = {"iteration": 7, "state_dict": state, "learning_rate": 1e-3} if wrapped else state
    torch.save(content, tmp_path / "nvidia.pt")
    model = golden_model()
    fresh = model.embedding.weight.detach().clone()
    report = warm_start(model, SYMBOLS, tmp_path / "nvidia.pt")
    ours = model.state_dict()
    for name, value in GOLDEN_STATE.items():
        if name != "embedding.weight":
            assert torch.equal(ours[name], value), name
    rows, theirs = ours["embedding.weight"], GOLDEN_STATE["embedding.weight"]
    for sign in ("a", "Z", "@HH", "@ZH", ";", "?", " ", "_"):
        assert torch.equal(rows[SYMBOLS.index(sign)], theirs[NVIDIA_SYMBOLS.index(sign)]), sign
    for sign in ("␤", "☺", "▲"):
        assert torch.equal(rows[SYMBOLS.index(sign)], fresh[SYMBOLS.index(sign)]), sign
    assert set(report.taken) == set(GOLDEN_STATE) - {"embedding.weight"}
    assert len(report.mapped) == 1 and "148 of 179" in report.mapped[0]
    assert not report.left and not report.fresh
    assert "embedding.weight" in str(report)


def test_settings_kept_as_an_object_are_passed_over(tmp_path):
    """As CookieTTS and others keep their hparams."""
    settings = argparse.Namespace(sampling_rate=22050)
    torch.save({"hparams": settings, "state_dict": GOLDEN_STATE}, tmp_path / "cookie.pt")
    assert warm_start(golden_model(), SYMBOLS, tmp_path / "cookie.pt").share == 1
    with pytest.raises(CheckpointError, match="--warm-start") as error:
        load_checkpoint(tmp_path / "cookie.pt")
    assert_is_a_sentence(error)


@pytest.mark.parametrize("is_table", [True, False])
def test_a_model_pickled_whole_is_read_for_its_weights(tmp_path, is_table):
    model = golden_model()
    torch.save({"model": model, "iteration": 7} if is_table else model, tmp_path / "whole.pt")
    ours = golden_model()
    torch.nn.init.zeros_(ours.embedding.weight)
    report = warm_start(ours, SYMBOLS, tmp_path / "whole.pt")
    assert report.share == 1 and torch.equal(ours.embedding.weight, model.embedding.weight)


def test_what_does_not_fit_is_listed_with_its_reason(tmp_path):
    state = dict(GOLDEN_STATE)
    state["decoder.gate_layer.linear_layer.bias"] = torch.zeros(4)
    state["speaker_embedding.weight"] = torch.zeros(3, 2)
    del state["decoder.linear_projection.linear_layer.bias"]
    torch.save(state, tmp_path / "other.pt")
    model = golden_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = warm_start(model, SYMBOLS, tmp_path / "other.pt")
    for name in (
        "decoder.gate_layer.linear_layer.bias", "decoder.linear_projection.linear_layer.bias",
    ):  # fmt: skip
        assert name in report.fresh
        assert torch.equal(model.state_dict()[name], before[name])
    (shape,) = [line for line in report.left if line.startswith("decoder.gate_layer")]
    assert "[4]" in shape and "[1]" in shape
    (unknown,) = [line for line in report.left if line.startswith("speaker_embedding")]
    assert "no such weight" in unknown
    for line in (*report.left, *report.fresh):
        assert line in str(report)


def test_an_embedding_of_another_width_is_listed_as_such(tmp_path):
    state = dict(GOLDEN_STATE)
    state["embedding.weight"] = torch.zeros(148, 30)
    torch.save(state, tmp_path / "other.pt")
    report = warm_start(golden_model(), SYMBOLS, tmp_path / "other.pt")
    (line,) = report.left
    assert "[148, 30]" in line and "[179, 24]" in line  # the table itself is known
    assert "embedding.weight" in report.fresh


def test_an_unknown_symbol_table_is_not_guessed(tmp_path):
    state = dict(GOLDEN_STATE)
    state["embedding.weight"] = torch.ones(150, 24)
    torch.save(state, tmp_path / "other.pt")
    model = golden_model()
    report = warm_start(model, SYMBOLS, tmp_path / "other.pt")
    assert "150" in report.left[0]
    assert not (model.embedding.weight == 1).all(1).any()


@pytest.mark.parametrize(
    "content",
    [
        {"weight": torch.zeros(2)},
        {},
        {"state_dict": {}},
        {"state_dict": [torch.zeros(2)]},
        {"state_dict": None},
        {3: torch.zeros(2)},
    ],
)
def test_a_file_of_which_nothing_fits_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="Nothing in .*other.pt") as error:
        warm_start(golden_model(), SYMBOLS, tmp_path / "other.pt")
    assert_is_a_sentence(error)


def test_our_own_run_is_a_source(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "model", checkpoint)
    torch.manual_seed(9)
    model = new_model(checkpoint.config)
    report = warm_start(model, SYMBOLS, tmp_path / "model")
    for name, value in model.state_dict().items():
        assert torch.equal(value, checkpoint.state_dict[name]), name
    assert not report.left and not report.fresh and not report.mapped


def test_our_own_run_with_other_symbols_is_mapped_by_its_own_table(checkpoint, tmp_path):
    order = list(reversed(SYMBOLS))
    checkpoint.symbols = order
    save_checkpoint(tmp_path / "model", checkpoint)
    model = new_model(checkpoint.config)
    report = warm_start(model, SYMBOLS, tmp_path / "model")
    theirs = checkpoint.state_dict["embedding.weight"]
    for sign in ("a", "@HH", "␤"):
        assert torch.equal(model.embedding.weight[SYMBOLS.index(sign)], theirs[order.index(sign)])
    assert len(report.mapped) == 1


# From one head to the other


def mel_and_gate(model, text, mel):
    """What an evaluated model predicts when fed true frames; its prenet's dropout seeded."""
    torch.manual_seed(4)
    with torch.no_grad():
        out = model.eval()(text, torch.tensor([text.shape[1]]), mel, torch.tensor([mel.shape[2]]))
    return out.mel_postnet, out.gate


def nvidia_ids(text):
    return torch.tensor([[NVIDIA_SYMBOLS.index(sign) for sign in text]])


def our_ids(text):
    return torch.tensor([[SYMBOLS.index(sign) for sign in text]])


def test_a_plain_head_goes_on_within_an_mmi_head(tmp_path):
    torch.save(GOLDEN_STATE, tmp_path / "nvidia.pt")
    wide = {"decoder_rnn_dim": 200}
    plain = golden_model("plain", **wide)
    torch.save(plain.state_dict(), tmp_path / "plain.pt")
    model = golden_model("mmi", **wide)
    report = warm_start(model, SYMBOLS, tmp_path / "plain.pt")
    mel = torch.randn(1, 80, 9)
    for ours, theirs in zip(
        mel_and_gate(model, our_ids("say it"), mel),
        mel_and_gate(plain, our_ids("say it"), mel),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert all(name.startswith("mi.") for name in report.fresh) and len(report.fresh) == 4
    assert not report.left
    assert sum("162 of 200 hidden units" in line for line in report.mapped) == 8
    (said,) = [line for line in str(report).splitlines() if "hidden units" in line]
    assert "decoder.linear_projection.0.linear_layer.weight and 7 more (folded from" in said
    # every weight of the head still learns: none is cut off for good
    out = model.train()(our_ids("say it"), torch.tensor([6]), mel, torch.tensor([9]))
    (out.mel.square().mean() + out.hidden.mean() + out.gate.sum()).backward()
    for name, parameter in model.decoder.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_a_plain_head_that_is_too_wide_is_left(tmp_path):
    state = {**GOLDEN_STATE}
    torch.save(state, tmp_path / "nvidia.pt")
    model = golden_model("mmi", decoder_rnn_dim=28)
    mean_frame = torch.linspace(-6, -1, 80)
    model.decoder.start_from(mean_frame)
    report = warm_start(model, SYMBOLS, tmp_path / "nvidia.pt")
    assert "encoder.lstm.weight_ih_l0" in report.taken
    assert any(name.startswith("mi.") for name in report.fresh)
    (line,) = [
        x for x in report.left if x.startswith("decoder.linear_projection") and "weight" in x
    ]
    assert "head 'plain'" in line
    assert torch.equal(model.decoder.mel_layer[3].linear_layer.bias, mean_frame)


def test_an_mmi_head_cannot_become_plain_and_says_so(tmp_path):
    torch.save({"state_dict": golden_state("mmi")}, tmp_path / "bfs18.pt")
    model = golden_model("plain", decoder_rnn_dim=32)
    mean_frame = torch.linspace(-6, -1, 80)
    model.decoder.start_from(mean_frame)
    report = warm_start(model, SYMBOLS, tmp_path / "bfs18.pt")
    assert torch.equal(model.decoder.linear_projection.linear_layer.bias, mean_frame)
    reasons = {line.partition(" ")[0]: line for line in report.left}
    assert "head 'mmi'" in reasons["mi.proj.0.linear_layer.weight"]
    assert "head 'mmi'" in reasons["decoder.mel_layer.3.linear_layer.weight"]
    assert "decoder.linear_projection.linear_layer.weight" in report.fresh
    assert "decoder.decoder_rnn.weight_hh" in report.taken


def test_bfs18s_weights_are_taken_with_their_recogniser(tmp_path):
    theirs = golden_state("mmi")
    torch.save({"state_dict": {f"_orig_mod.module.{k}": v for k, v in theirs.items()}},
               tmp_path / "bfs18.pt")  # fmt: skip
    model = golden_model("mmi")
    report = warm_start(model, SYMBOLS, tmp_path / "bfs18.pt")
    assert not report.fresh and not report.left
    assert torch.equal(
        model.mi.ctc_proj.linear_layer.weight, theirs["mi.ctc_proj.linear_layer.weight"]
    )


def test_a_recognisers_signs_are_mapped_too(checkpoint, tmp_path):
    order = list(reversed(CTC_SYMBOLS))
    path = saved(tmp_path / "model", checkpoint, ctc_symbols=order)
    model = new_model(checkpoint.config)
    report = warm_start(model, SYMBOLS, path)
    theirs = checkpoint.state_dict["mi.ctc_proj.linear_layer.bias"].view(2, -1)
    ours = model.mi.ctc_proj.linear_layer.bias.detach().view(2, -1)
    assert torch.equal(ours[:, CTC_SYMBOLS.index("a")], theirs[:, order.index("a")])
    assert torch.equal(ours[:, -1], theirs[:, -1])  # the blank
    assert len(report.mapped) == 2 and not report.fresh


# Another number of frames a step


@pytest.mark.parametrize("r", [1, 3])
def test_outputs_of_another_number_of_frames_are_mapped_by_frame(checkpoint, tmp_path, r):
    path = saved(tmp_path / "model", checkpoint)
    model = new_model(checkpoint.config.replace(n_frames_per_step=r))
    report = warm_start(model, SYMBOLS, path)
    theirs, ours = checkpoint.state_dict, model.state_dict()
    for name, n_rows in (
        ("decoder.mel_layer.3.linear_layer.weight", 80),
        ("decoder.mel_layer.3.linear_layer.bias", 80),
        ("decoder.gate_layer.linear_layer.weight", 1),
        ("mi.ctc_proj.linear_layer.bias", len(CTC_SYMBOLS) + 1),
    ):  # fmt: skip
        before = theirs[name].unflatten(0, (2, n_rows))
        after = ours[name].unflatten(0, (r, n_rows))
        for frame in range(r):
            assert torch.equal(after[frame], before[min(frame, 1)]), name
        assert any(line.startswith(name) and f"from 2 to {r}" in line for line in report.mapped)
    assert not report.fresh and not report.left


def test_one_gate_a_step_serves_several_frames(tmp_path):
    torch.save(GOLDEN_STATE, tmp_path / "nvidia.pt")
    model = golden_model("plain", n_frames_per_step=2)
    warm_start(model, SYMBOLS, tmp_path / "nvidia.pt")
    gate = model.decoder.gate_layer.linear_layer.weight
    theirs = GOLDEN_STATE["decoder.gate_layer.linear_layer.weight"][0]
    assert torch.equal(gate[0], theirs) and torch.equal(gate[1], theirs)


# Where it comes from


def test_a_runs_folder_gives_its_best_voice(checkpoint, tmp_path):
    run = Run(tmp_path / "run")
    run.prepare()
    saved(run.current_model, checkpoint)
    best = {name: value * 0 for name, value in checkpoint.state_dict.items()}
    saved(run.best_model, checkpoint, state_dict=best)
    model = new_model(checkpoint.config)
    report = warm_start(model, SYMBOLS, run.folder)
    assert not model.encoder.lstm.weight_ih_l0.any()
    assert "best_model" in report.source and "step 0" in str(report)
    shutil.rmtree(run.folder)
    run.prepare()
    with pytest.raises(RunError, match="no trained voice"):
        warm_start(model, SYMBOLS, run.folder)


def test_another_size_is_refused_with_the_settings_that_fit(tmp_path):
    torch.save(GOLDEN_STATE, tmp_path / "nvidia.pt")
    with pytest.raises(CheckpointError, match=r"Only \d% of .*nvidia.pt") as error:
        warm_start(new_model(preset("tiny")), SYMBOLS, tmp_path / "nvidia.pt")
    assert "--set attention_rnn_dim=32 " in str(error.value)
    assert "head" not in str(error.value)  # a plain one can be taken
    assert_is_a_sentence(error)


@pytest.mark.parametrize("there", [{}, {"head": "plain"}, {"n_frames_per_step": 3}])
def test_another_presets_voice_is_refused_with_the_preset(tmp_path, there):
    theirs = new_model(preset("tiny").replace(**there))
    torch.save(theirs.state_dict(), tmp_path / "tiny.pt")
    with pytest.raises(CheckpointError, match="Give --preset tiny, which fits") as error:
        warm_start(golden_model(), SYMBOLS, tmp_path / "tiny.pt")
    assert_is_a_sentence(error)
    report = warm_start(new_model(preset("tiny")), SYMBOLS, tmp_path / "tiny.pt")
    assert report.share == 1 and "100% of the weights were taken" in str(report)


def test_the_published_size_has_three_presets():
    with torch.device("meta"):
        sizes = sizes_of(new_model(preset("full")).state_dict())
    asked = {k: v for k, v in sizes.items() if k not in ("head", "n_frames_per_step")}
    assert presets_with(asked) == ["full", "warm", "gradual"]


@pytest.mark.parametrize(("n_gone", "is_enough"), [(1, True), (3, False)])
def test_half_of_a_voice_is_the_least(tmp_path, n_gone, is_enough):
    """Of its large parts."""
    model = new_model(preset("tiny"))
    parts = ("decoder.decoder_rnn.", "decoder.attention_rnn.", "encoder.")[:n_gone]
    state = {k: v for k, v in model.state_dict().items() if not k.startswith(parts)}
    torch.save(state, tmp_path / "part.pt")
    if is_enough:
        assert 0.5 < warm_start(new_model(preset("tiny")), SYMBOLS, tmp_path / "part.pt").share < 1
        return
    with pytest.raises(CheckpointError, match="it lacks the rest"):
        warm_start(new_model(preset("tiny")), SYMBOLS, tmp_path / "part.pt")


def test_a_wider_memory_as_of_several_speakers_still_fits(tmp_path):
    """What is not of the memory comes along."""
    state = dict(GOLDEN_STATE)
    for name in ("decoder.attention_rnn.weight_ih", "decoder.decoder_rnn.weight_ih"):
        wide = state[name]
        state[name] = torch.cat((wide, wide[:, :8]), dim=1)
    torch.save(state, tmp_path / "speakers.pt")
    report = warm_start(golden_model(), SYMBOLS, tmp_path / "speakers.pt")
    assert 0.5 < report.share < 1 and len(report.left) == 2


def test_a_counter_alone_is_nothing_that_fits(tmp_path):
    torch.save({"encoder.convolutions.0.1.num_batches_tracked": torch.tensor(7)}, tmp_path / "x")
    with pytest.raises(CheckpointError, match="Nothing in"):
        warm_start(golden_model(), SYMBOLS, tmp_path / "x")


def test_the_table_counts_each_part(tmp_path):
    torch.save(GOLDEN_STATE, tmp_path / "nvidia.pt")
    said = str(warm_start(golden_model("mmi", decoder_rnn_dim=28), SYMBOLS, tmp_path / "nvidia.pt"))
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line[2:3] != " "}
    assert rows["part"] == ["taken", "mapped", "new"]
    assert rows["embedding"] == ["0", "1", "0"]
    assert rows["ctc_head"] == ["0", "0", "4"]
    assert rows["encoder"][1:] == ["0", "0"] and int(rows["encoder"][0]) > 20
    assert rows["head"] == ["0", "0", "8"]
    assert "nvidia.pt (weights of another program, plain head)" in said
    assert "new: ␤ ☺" in said


@pytest.mark.parametrize("head", ["plain", "mmi"])
def test_sizes_are_read_off_the_weights(tmp_path, head):
    torch.save({"model": golden_state(head)}, tmp_path / "model.pt")
    assert sizes_in(tmp_path / "model.pt") == GOLDEN_SIZES[head]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("embedding.weight", torch.tensor(1.0)),
        ("embedding.weight", torch.full((148, 24), float("nan"))),
        ("embedding.weight", torch.zeros(148, 24, dtype=torch.int64)),
        ("decoder.gate_layer.linear_layer.bias", torch.tensor([float("nan")])),
        ("decoder.gate_layer.linear_layer.bias", torch.tensor([1])),
    ],
)
def test_odd_weights_are_left_and_listed(tmp_path, name, value):
    torch.save({**GOLDEN_STATE, name: value}, tmp_path / "other.pt")
    model = golden_model()
    report = warm_start(model, SYMBOLS, tmp_path / "other.pt")
    assert name in report.fresh and any(line.startswith(name) for line in report.left)
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize("symbols", [7, [1] * 148, [[]] * 148, "x" * 148, {"a": 1}])
def test_an_odd_symbol_table_is_not_believed(tmp_path, symbols):
    torch.save({"state_dict": GOLDEN_STATE, "symbols": symbols}, tmp_path / "other.pt")
    report = warm_start(golden_model(), SYMBOLS, tmp_path / "other.pt")
    assert "148 of 179" in report.mapped[0]


# Symbols of other programs


@pytest.mark.parametrize(
    "sign",
    [
        {"state_dict": {"speaker_embedding.weight": torch.zeros(5, 4)}},
        {"state_dict": {"tm_linear.weight": torch.zeros(5, 4)}},
        {"state_dict": {}, "speaker_name_lookup": {"Twilight": 0}},
        {"state_dict": {}, "hparams": argparse.Namespace(torchMoji_attDim=2304)},
    ],
)
def test_cookietts_is_mapped_by_its_own_table(tmp_path, sign):
    rows = torch.arange(179).float()[:, None].expand(179, 24).clone()
    state = {**GOLDEN_STATE, "embedding.weight": rows, **sign["state_dict"]}
    torch.save({**sign, "state_dict": state}, tmp_path / "cookie.pt")
    model = golden_model()
    report = warm_start(model, SYMBOLS, tmp_path / "cookie.pt")
    for symbol in ("a", "@ZH", ";", "␤", "☺", "☻", "▲"):
        row = model.embedding.weight[SYMBOLS.index(symbol)]
        assert row[0] == COOKIETTS_SYMBOLS.index(symbol), symbol
    (line,) = [line for line in report.mapped if line.startswith("embedding")]
    assert "178 of 179" in line and "new: ‼" in line
    assert any("CookieTTS's, since it has" in remark for remark in report.remarks)
    assert report.remarks[0] in str(report)


def test_without_such_a_sign_the_seeds_table_is_assumed_and_said(tmp_path):
    rows = torch.arange(179).float()[:, None].expand(179, 24).clone()
    torch.save({**GOLDEN_STATE, "embedding.weight": rows}, tmp_path / "seed.pt")
    report = warm_start(golden_model(), SYMBOLS, tmp_path / "seed.pt")
    assert "embedding.weight" in report.taken
    (remark,) = report.remarks
    assert "Nothing in the file names its symbols" in remark and "the seed's" in remark


def test_our_own_voice_needs_no_assumption(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "model", checkpoint)
    model = new_model(checkpoint.config)
    report = warm_start(model, SYMBOLS, tmp_path / "model", audio=checkpoint.config.audio)
    assert report.remarks == []


# Another architecture


def cookie_like(**widths):
    """A model whose layers take more than our settings give, as of speakers and emotions."""
    state = dict(GOLDEN_STATE)
    for name, more in widths.items():
        name = name.replace("__", ".")
        wide = state[name]
        state[name] = torch.cat([wide, *[wide[:, :more]]], dim=1)
    return state


CONV, LSTM = "encoder__convolutions__0__0__conv__weight", "encoder__lstm__weight_ih_l0"
ATTENTION = "decoder__attention_rnn__weight_ih"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({name: value for name, value in cookie_like(**{CONV: 8, LSTM: 8, ATTENTION: 8}).items()
          if "convolutions.1" not in name and "convolutions.2" not in name},
         "first convolution takes 32 numbers, not 24"),
        ({name: value for name, value in cookie_like(**{LSTM: 8, ATTENTION: 20}).items()
          if not name.startswith("encoder.convolutions.") or ".0.0." in name},
         "encoder's LSTM takes 32 numbers, not 24"),
    ],
)  # fmt: skip
def test_another_architecture_does_not_pass_at_the_sizes_it_has(tmp_path, state, said):
    """Nor is it given advice of sizes, at any size of ours."""
    torch.save(state, tmp_path / "other.pt")
    for model in (golden_model(), new_model(preset("tiny"))):
        with pytest.raises(CheckpointError, match=f"another architecture.*{said}") as error:
            warm_start(model, SYMBOLS, tmp_path / "other.pt")
        assert "--set" not in str(error.value) and "--preset" not in str(error.value)
        assert_is_a_sentence(error)


def test_a_wider_attention_is_taken_in_part_and_called_another_architecture(tmp_path):
    torch.save(cookie_like(**{ATTENTION: 8}), tmp_path / "speakers.pt")
    report = warm_start(golden_model(), SYMBOLS, tmp_path / "speakers.pt")
    (remark,) = [remark for remark in report.remarks if "another architecture" in remark]
    assert "attention LSTM takes 48 numbers, not 40" in remark and remark in str(report)
    with pytest.raises(CheckpointError, match="another architecture") as error:
        warm_start(new_model(preset("tiny")), SYMBOLS, tmp_path / "speakers.pt")
    assert "--set" not in str(error.value)


def test_without_its_encoder_half_of_a_voice_is_too_little(tmp_path):
    model = new_model(preset("tiny"))
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("encoder.")}
    torch.save(state, tmp_path / "part.pt")
    with pytest.raises(CheckpointError, match="lacks the rest"):
        warm_start(new_model(preset("tiny")), SYMBOLS, tmp_path / "part.pt")


# Other mels


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sample_rate": 24000}, ["sample_rate 22050 (here 24000)"]),
        ({"hop_length": 200, "f_min": 50}, ["hop_length 256 (here 200)", "f_min 0 (here 50)"]),
        ({"n_fft": 2048}, ["n_fft 1024 (here 2048)"]),
        ({"f_max": 7600}, ["f_max 8000 (here 7600)"]),
        ({"n_mels": 40}, ["n_mels 80 (here 40)"]),
        ({}, []),
    ],
)
@pytest.mark.parametrize("kind", ["ours", "hparams", "nothing"])
def test_other_mel_settings_are_named(checkpoint, tmp_path, kind, changes, said):
    here = checkpoint.config.replace(**changes)
    state = checkpoint.state_dict
    if kind == "ours":
        path = saved(tmp_path / "model", checkpoint)
    else:
        hparams = {"sampling_rate": 22050, "hop_length": 256, "filter_length": 1024}
        content = {"state_dict": state, **({"hparams": hparams} if kind == "hparams" else {})}
        torch.save(content, path := tmp_path / "x.pt")
    report = warm_start(new_model(here), SYMBOLS, path, audio=here.audio)
    remarks = [remark for remark in report.remarks if "mels" in remark]
    assert len(remarks) == bool(said)
    for remark in remarks:
        assert all(words in remark for words in said) and remark.count("(here") == len(said)
        assert ("if they are NVIDIA's" in remark) is (kind == "nothing")
        assert remark in str(report) and remark.endswith(".") and "\n" not in remark


def test_mels_of_another_scale_are_said(tmp_path):
    torch.save({"state_dict": GOLDEN_STATE, "hparams": {"signal_normalization": True}},
               tmp_path / "x.pt")  # fmt: skip
    report = warm_start(golden_model(), SYMBOLS, tmp_path / "x.pt", audio=Config().audio)
    assert "another scale (signal_normalization)" in report.remarks[-1]


@pytest.mark.parametrize(
    "dtype",
    [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2],
)
def test_weights_of_every_precision_are_taken(tmp_path, dtype):
    model = golden_model()
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "other")
    assert warm_start(model, NVIDIA_SYMBOLS, tmp_path / "other", CTC_SYMBOLS).share == 1
