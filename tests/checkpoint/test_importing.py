"""Voices of other programs speak without new training: NVIDIA's numbers, ours there and back."""

import dataclasses

import numpy as np
import pytest
import torch
from support.foreign_files import WAYS, AttributeTable, Hparams, save_foreign
from support.golden_states import GOLDEN_SIZES, golden_state, plain_checkpoint, saved
from support.paths import GOLDEN

from ponytaco.checkpoint.format import CheckpointError, load_checkpoint, new_model, save_checkpoint
from ponytaco.checkpoint.importing import (
    ForeignVoiceError,
    import_voice,
    is_imported,
    open_voice_file,
    read_symbols,
)
from ponytaco.config import Config, ConfigError
from ponytaco.export.nvidia import export_nvidia
from ponytaco.model.dropout import Dropout
from ponytaco.synthesis.voice import Voice
from ponytaco.text.symbols import COOKIETTS_SYMBOLS, CTC_SYMBOLS, NVIDIA_SYMBOLS, SYMBOLS

PLAIN = golden_state("plain")
MMI = golden_state("mmi")
OLDER_WARNING = "ignore:Couldn't retrieve source code"


def silence_dropout(model):
    """Switch the prenet's dropout off, which is always on, as for the golden numbers."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.p = 0.0
    model.decoder.prenet.p_dropout = 0.0


def assert_is_a_sentence(text):
    assert text.endswith(".") and "\n" not in text and "Copy the folder" not in text


@pytest.mark.filterwarnings(OLDER_WARNING)
@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_saving_becomes_a_voice_with_the_same_bits(tmp_path, way, older):
    path = save_foreign(tmp_path / "theirs.pt", way, older=older)
    imported = import_voice(path, tmp_path / "X.voice")
    voice = load_checkpoint(tmp_path / "X.voice")
    assert set(voice.state_dict) == set(PLAIN)
    for name, value in PLAIN.items():
        assert voice.state_dict[name].dtype == value.dtype
        assert torch.equal(voice.state_dict[name], value), name
    assert voice.symbols == list(NVIDIA_SYMBOLS)
    model = dataclasses.asdict(voice.config.model)
    assert {name: model[name] for name in GOLDEN_SIZES["plain"]} == GOLDEN_SIZES["plain"]
    assert voice.config.audio == Config().audio
    assert voice.run_state.step in (0, 7) and is_imported(voice)
    assert_is_a_sentence(imported.assumed)
    assert "148 symbols are taken to be NVIDIA's" in imported.assumed
    tells_mels = any(word in way for word in ("hparams", "namespace", "attributes"))
    assert ("22,050 Hz" in imported.assumed) is not tells_mels


def test_weights_in_safetensors_form_are_read_too(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(
        {f"module.{name}": value.contiguous() for name, value in PLAIN.items()}, tmp_path / "x"
    )
    checkpoint, (note,) = open_voice_file(tmp_path / "x")
    assert all(torch.equal(checkpoint.state_dict[name], value) for name, value in PLAIN.items())
    assert "148 symbols" in note


@pytest.mark.parametrize("head", ["plain", "mmi"])
def test_an_imported_voice_makes_the_reference_mel(tmp_path, head):
    names = {"plain": "nvidia", "mmi": "mmi"}
    golden = np.load(GOLDEN / f"{names[head]}_tacotron2_tiny.npz")
    state = golden_state(head)
    torch.save({"state_dict": state}, tmp_path / "theirs.pt")
    import_voice(tmp_path / "theirs.pt", tmp_path / "X.voice")
    model = load_checkpoint(tmp_path / "X.voice").build_model()
    theirs = torch.from_numpy(golden["infer/mel_postnet"])
    silence_dropout(model)
    out, _ = model.infer(
        torch.from_numpy(golden["in/text"])[:1],
        torch.from_numpy(golden["in/text_lengths"])[:1],
        max_frames=theirs.shape[2],
    )
    torch.testing.assert_close(out.mel_postnet, theirs, rtol=1e-3, atol=1e-4)


def test_our_own_export_speaks_the_same_mel_directly_and_imported(tmp_path, hasty_vocoder):
    torch.manual_seed(2)
    config = Config().replace(**GOLDEN_SIZES["plain"])
    checkpoint = plain_checkpoint(SYMBOLS, new_model(config).state_dict(), p_arpabet=0.0)
    run = saved(tmp_path / "model", checkpoint)
    export_nvidia(run, tmp_path / "out.pt")
    import_voice(tmp_path / "out.pt", tmp_path / "back.voice")
    with hasty_vocoder():
        mels = [
            Voice(path).speak("Say it once more.", max_seconds=1, retries=0).sentences[0].mel
            for path in (run, tmp_path / "out.pt", tmp_path / "back.voice")
        ]
    for mel in mels[1:]:
        np.testing.assert_array_equal(mel, mels[0])


@pytest.mark.parametrize("way", ["NVIDIA's checkpoint", "a state dict alone"])
def test_a_folder_of_the_ancestor_speaks(tmp_path, hasty_vocoder, way):
    """Its colab/<Character> has a current_model, too."""
    save_foreign(tmp_path / "current_model", way)
    with hasty_vocoder():
        voice = Voice(tmp_path)
        speech = voice.speak("Hello.", max_seconds=0.5, retries=0)
    assert voice.path == tmp_path / "current_model" and speech.seconds > 0
    note = voice.notes[0]
    assert "taken to be NVIDIA's" in note
    assert "longer" not in speech.babble  # nobody can train it longer here


# What the file tells, and what is assumed


@pytest.mark.parametrize("keep", [Hparams, AttributeTable, dict, lambda **table: {"audio": table}])
@pytest.mark.parametrize("name", ["hparams", "config", "hyper_parameters"])
def test_mel_settings_come_from_the_files_own(tmp_path, keep, name):
    theirs = {"sampling_rate": 44100, "filter_length": 2048, "hop_length": 512, "win_length": 2048,
              "n_mel_channels": 80, "mel_fmin": 20.0, "mel_fmax": 11025}  # fmt: skip
    torch.save({"state_dict": PLAIN, name: keep(**theirs)}, tmp_path / "x.pt")
    checkpoint, notes = open_voice_file(tmp_path / "x.pt")
    audio = checkpoint.config.audio
    assert (audio.sample_rate, audio.n_fft, audio.hop_length) == (44100, 2048, 512)
    assert (audio.win_length, audio.f_min, audio.f_max) == (2048, 20.0, 11025.0)
    (note,) = notes
    assert "symbols" in note and "mels" not in note


def test_a_part_of_the_mel_settings_is_completed_and_said(tmp_path):
    torch.save({"state_dict": PLAIN, "hparams": {"sampling_rate": 24000, "hop_length": 300}},
               tmp_path / "x.pt")  # fmt: skip
    checkpoint, (note,) = open_voice_file(tmp_path / "x.pt")
    assert checkpoint.config.audio.hop_length == 300
    assert "n_fft 1024" in note and "f_max 8000" in note and "hop_length" not in note


def test_the_users_settings_come_first(tmp_path):
    torch.save(PLAIN, tmp_path / "x.pt")
    given = {"sample_rate": "48000", "n_fft": 2400, "win_length": 2400, "hop_length": 600,
             "f_max": 18000, "cleaner": "basic"}  # fmt: skip
    imported = import_voice(tmp_path / "x.pt", tmp_path / "X.voice", given)
    config = load_checkpoint(tmp_path / "X.voice").config
    assert config.audio.sample_rate == 48000 and config.train.cleaner == "basic"
    assert "f_min 0" in imported.assumed and "f_max" not in imported.assumed


@pytest.mark.parametrize("settings", [{"sample_rate": "many"}, {"f_max": 1e6}, {"volume": 3}])
def test_wrong_settings_of_the_user_are_named(tmp_path, settings):
    torch.save(PLAIN, tmp_path / "x.pt")
    with pytest.raises(ConfigError, match=next(iter(settings))):
        import_voice(tmp_path / "x.pt", tmp_path / "X.voice", settings)
    assert not (tmp_path / "X.voice").exists()


@pytest.mark.parametrize(
    "theirs",
    [{"hop_length": 0}, {"sampling_rate": -1}, {"mel_fmax": 1e9}, {"p_decoder_dropout": 7},
     {"win_length": 10**30}, {"hop_length": float("nan")}],
)  # fmt: skip
def test_impossible_settings_of_the_file_are_refused_with_what_to_do(tmp_path, theirs):
    torch.save({"state_dict": PLAIN, "hparams": theirs}, tmp_path / "x.pt")
    with pytest.raises(ForeignVoiceError, match=r"ponytaco import FILE VOICE --set"):
        open_voice_file(tmp_path / "x.pt")


@pytest.mark.parametrize("theirs", [7, None, "{", "[1, 2]", [1], {"sampling_rate": "x" * 9},
                                    {"sampling_rate": [1]}, {1: 2}, '{"a": ' * 2000])  # fmt: skip
def test_odd_settings_are_passed_over(tmp_path, theirs):
    torch.save({"state_dict": PLAIN, "hparams": theirs, "iteration": -3}, tmp_path / "x.pt")
    checkpoint, (note,) = open_voice_file(tmp_path / "x.pt")
    assert checkpoint.config.audio == Config().audio and "taken to be NVIDIA's (" in note
    assert checkpoint.run_state.step == 0


def test_mels_of_another_scale_are_said(tmp_path):
    torch.save({"state_dict": PLAIN, "hparams": {"signal_normalization": True}}, tmp_path / "x.pt")
    _, (note,) = open_voice_file(tmp_path / "x.pt")
    assert "another scale (signal_normalization)" in note


@pytest.mark.parametrize("r", [1, 2])
@pytest.mark.parametrize("head", ["plain", "mmi"])
def test_sizes_are_read_off_the_weights(tmp_path, head, r):
    config = Config().replace(**{**GOLDEN_SIZES[head], "n_frames_per_step": r, "n_mels": 60})
    config = config.replace(attention_location_kernel_size=11, encoder_n_convolutions=2)
    torch.save(new_model(config, NVIDIA_SYMBOLS).state_dict(), tmp_path / "x.pt")
    with pytest.raises(ForeignVoiceError, match=r"60 mels.*--set sample_rate="):
        open_voice_file(tmp_path / "x.pt")
    import_voice(tmp_path / "x.pt", tmp_path / "X.voice", {"sample_rate": 22050})
    theirs = load_checkpoint(tmp_path / "X.voice").config
    assert theirs.audio.n_mels == 60 and theirs.model == config.model


@pytest.mark.parametrize("keep", ["nothing", "half", "another alphabet"])
def test_a_voice_without_its_recogniser_speaks(tmp_path, keep):
    state = {name: value for name, value in MMI.items() if not name.startswith("mi.")}
    if keep == "half":
        state["mi.ctc_proj.linear_layer.weight"] = MMI["mi.ctc_proj.linear_layer.weight"]
    if keep == "another alphabet":
        state |= {n: v[:50] for n, v in MMI.items() if n.startswith("mi.ctc_proj")}
    torch.save(state, tmp_path / "x.pt")
    checkpoint, _ = open_voice_file(tmp_path / "x.pt")
    model = checkpoint.build_model()
    assert all(torch.equal(model.state_dict()[n], v) for n, v in state.items() if n[:3] != "mi.")
    assert torch.equal(
        model.mi.ctc_proj.linear_layer.weight,
        open_voice_file(tmp_path / "x.pt")[0].state_dict["mi.ctc_proj.linear_layer.weight"],
    )


def test_a_plain_voice_leaves_a_recogniser_behind(tmp_path):
    torch.save({**PLAIN, "mi.proj.0.linear_layer.bias": torch.zeros(3)}, tmp_path / "x.pt")
    assert open_voice_file(tmp_path / "x.pt")[0].build_model().mi is None


def test_weights_of_other_precision_and_without_counters(tmp_path):
    state = {n: v.half() if v.is_floating_point() else v for n, v in PLAIN.items()}
    state = {n: v for n, v in state.items() if "num_batches" not in n}
    torch.save(state, tmp_path / "x.pt")
    model = open_voice_file(tmp_path / "x.pt")[0].build_model()
    for name, value in state.items():
        assert torch.equal(model.state_dict()[name], value.float()), name


# Symbols


def with_rows(n_rows, **others):
    rows = torch.arange(n_rows).float()[:, None].expand(n_rows, 24).clone()
    return {**PLAIN, "embedding.weight": rows, **others}


@pytest.mark.parametrize(
    ("content", "table", "said"),
    [
        ({"state_dict": with_rows(179)}, SYMBOLS, "the seed's"),
        ({"state_dict": with_rows(179), "speaker_id_lookup": {"0": 0}}, COOKIETTS_SYMBOLS,
         "CookieTTS's, since it has 'speaker_id_lookup'"),
        ({"state_dict": with_rows(179), "hparams": Hparams(n_speakers=512)}, COOKIETTS_SYMBOLS,
         "'n_speakers'"),
        ({"state_dict": with_rows(148)}, NVIDIA_SYMBOLS, "NVIDIA's"),
    ],
)  # fmt: skip
def test_tables_are_recognised_and_what_was_assumed_is_said(tmp_path, content, table, said):
    torch.save(content, tmp_path / "x.pt")
    checkpoint, (note,) = open_voice_file(tmp_path / "x.pt")
    assert checkpoint.symbols == list(table) and said in note


def test_a_table_in_the_file_is_believed(tmp_path):
    own = [*reversed(NVIDIA_SYMBOLS)]
    torch.save({"state_dict": PLAIN, "hparams": {"symbols": own}}, tmp_path / "x.pt")
    checkpoint, (note,) = open_voice_file(tmp_path / "x.pt")
    assert checkpoint.symbols == own and "symbols" not in note


def test_an_unknown_table_is_asked_for(tmp_path):
    torch.save(with_rows(40), tmp_path / "x.pt")
    with pytest.raises(ForeignVoiceError, match=r"40 symbols.*--symbols TABLE.txt$"):
        open_voice_file(tmp_path / "x.pt")
    table = ["_", " ", *map(chr, range(97, 123)), *".,!?-:;'()[]"]
    (tmp_path / "table.txt").write_text("\n".join(table) + "\n", encoding="utf-8")
    import_voice(
        tmp_path / "x.pt", tmp_path / "X.voice", symbols=read_symbols(str(tmp_path / "table.txt"))
    )
    assert load_checkpoint(tmp_path / "X.voice").symbols == table
    with pytest.raises(ForeignVoiceError, match="148"):
        import_voice(tmp_path / "x.pt", tmp_path / "Y.voice", symbols=read_symbols("nvidia"))


@pytest.mark.parametrize("content", ['{"a": 1}', "[1, 2]", "7"])
def test_a_file_that_is_no_table_is_refused(tmp_path, content):
    (tmp_path / "table.json").write_text(content)
    with pytest.raises(CheckpointError, match="one symbol a line"):
        read_symbols(str(tmp_path / "table.json"))


def test_an_unknown_name_of_a_table_is_refused_with_the_known_ones():
    with pytest.raises(CheckpointError, match="nvidia, seed, cookietts"):
        read_symbols("mellotron")


# What cannot speak


def wider(name, axis=1):
    return {name: torch.cat((PLAIN[name], PLAIN[name].narrow(axis, 0, 8)), dim=axis)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"speaker_embedding.weight": torch.zeros(3, 2)}, "parts.*speaker_embedding.weight"),
        (wider("decoder.attention_rnn.weight_ih"), "attention LSTM takes 48 numbers, not 40"),
        (wider("encoder.convolutions.0.0.conv.weight"), "first convolution takes 32 .* not 24"),
        (wider("encoder.lstm.weight_ih_l0"), "encoder's LSTM takes 32 numbers, not 24"),
        ({"decoder.attention_layer.v.linear_layer.weight": None}, r"lacks decoder\.attention"),
        ({"decoder.prenet.layers.0.linear_layer.weight": torch.zeros(16, 81)}, r"\[16, 81\]"),
        ({"encoder.convolutions.0.0.conv.weight": torch.zeros(24, 24, 4)}, "must be odd"),
    ],
)  # fmt: skip
def test_another_architecture_is_called_that(tmp_path, changes, said):
    state = {name: value for name, value in {**PLAIN, **changes}.items() if value is not None}
    torch.save(state, tmp_path / "current_model")
    for path in (tmp_path / "current_model", tmp_path):
        with pytest.raises(CheckpointError, match=f"another architecture.*{said}") as error:
            Voice(path)
        assert_is_a_sentence(str(error.value))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"generator": {"conv_pre.weight_g": torch.zeros(2), "ups.0.bias": torch.zeros(2)}},
         "a vocoder, for the option --vocoder"),
        ({"state_dict": {"convinv.0.conv.weight": torch.zeros(2)}}, "a vocoder"),
        ({"weights": torch.zeros(3)}, "nothing that can speak"),
        ({}, "nothing that can speak"),
    ],
)  # fmt: skip
def test_what_is_no_voice_is_called_what_it_is(tmp_path, content, said):
    torch.save(content, tmp_path / "x")
    with pytest.raises(CheckpointError, match=said) as error:
        Voice(tmp_path / "x")
    assert_is_a_sentence(str(error.value))


def test_weights_that_are_not_finite_are_refused(tmp_path):
    state = {**PLAIN, "decoder.gate_layer.linear_layer.bias": torch.tensor([float("nan")])}
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="NaN"):
        open_voice_file(tmp_path / "x.pt")


def test_a_damaged_file_keeps_its_own_error(tmp_path):
    (tmp_path / "x.voice").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(CheckpointError, match="x.voice") as error:
        open_voice_file(tmp_path / "x.voice")
    assert "damaged" in str(error.value)
    # A warm start from it would fail, too.
    assert "architecture" not in str(error.value) and "--warm-start" not in str(error.value)


def test_our_own_voices_need_no_import(tmp_path):
    save_checkpoint(tmp_path / "x.voice", plain_checkpoint())
    with pytest.raises(CheckpointError, match="already"):
        import_voice(tmp_path / "x.voice", tmp_path / "y.voice")
    checkpoint, notes = open_voice_file(tmp_path / "x.voice")
    assert notes == [] and not is_imported(checkpoint)


def test_nothing_is_written_over(tmp_path):
    torch.save(PLAIN, tmp_path / "x.pt")
    (tmp_path / "X.voice").write_text("mine")
    with pytest.raises(CheckpointError, match="exists already"):
        import_voice(tmp_path / "x.pt", tmp_path / "X.voice")
    assert (tmp_path / "X.voice").read_text() == "mine"


@pytest.mark.parametrize("symbols", [NVIDIA_SYMBOLS, SYMBOLS, COOKIETTS_SYMBOLS, CTC_SYMBOLS])
def test_no_table_has_a_symbol_twice(symbols):
    assert len(set(symbols)) == len(symbols)


def test_cookietts_has_as_many_symbols_in_another_order():
    assert len(COOKIETTS_SYMBOLS) == len(SYMBOLS) == 179
    assert sum(a != b for a, b in zip(COOKIETTS_SYMBOLS, SYMBOLS, strict=True)) == 31
    assert COOKIETTS_SYMBOLS[:148] == NVIDIA_SYMBOLS
    assert COOKIETTS_SYMBOLS[148:153] == ("☺", "␤", "☻", "♥", "♦") and "#" in COOKIETTS_SYMBOLS
