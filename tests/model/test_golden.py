"""Both heads against the published implementations' numbers on random weights.

Golden numbers: NVIDIA/tacotron2 and bfs18/tacotron2, all dropouts off.
"""

import json

import numpy as np
import pytest
import torch
from support.paths import GOLDEN

from ponytaco.config import ModelConfig
from ponytaco.losses.gaf import balanced_backward, gradient_adaptive_factor
from ponytaco.losses.mmi import mmi_loss
from ponytaco.losses.tacotron import tacotron_loss
from ponytaco.model.tacotron2 import Tacotron2

FILES = {"plain": "nvidia_tacotron2_tiny.npz", "mmi": "mmi_tacotron2_tiny.npz"}
NOT_SIZES = {"n_symbols", "n_mel_channels", "max_decoder_steps", "gate_threshold"}
NO_DROPOUT = {
    f"p_{name}_dropout": 0.0
    for name in ("encoder", "prenet", "attention", "decoder", "head", "postnet", "recogniser")
}


class Golden:
    """The numbers of one head, and our model with their weights."""

    def __init__(self, head):
        self.arrays = np.load(GOLDEN / FILES[head])
        config = json.loads(bytes(self.arrays["config"]))
        sizes = {name: value for name, value in config.items() if name not in NOT_SIZES}
        self.model = Tacotron2(
            ModelConfig(head=head, **sizes, **NO_DROPOUT),
            n_symbols=config["n_symbols"],
            n_mels=config["n_mel_channels"],
            n_ctc_symbols=137,
        )
        self.model.load_state_dict(self.group("state"))
        self.max_frames = config["max_decoder_steps"]

    def __getitem__(self, name):
        return torch.from_numpy(np.asarray(self.arrays[name]))

    def group(self, name):
        prefix = f"{name}/"
        return {k.removeprefix(prefix): self[k] for k in self.arrays.files if k.startswith(prefix)}

    def train_output(self):
        mel_lengths = self["train_in/mel_lengths"]
        inputs = self["in/text"], self["in/text_lengths"], self["train_in/mel"], mel_lengths
        out = self.model.train()(*inputs)
        loss = tacotron_loss(
            out.mel, out.mel_postnet, out.gate, self["train_in/mel"], mel_lengths
        ).total
        return out, loss

    def mi_loss(self, out):
        return mmi_loss(
            self.model.mi(out.hidden),
            self["train_in/mel_lengths"],
            self["in/ctc"],
            self["in/ctc_lengths"],
        )


@pytest.fixture(params=["plain", "mmi"])
def golden(request):
    return Golden(request.param)


@pytest.fixture
def golden_mmi():
    return Golden("mmi")


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_teacher_forced(golden):
    out = golden.model.eval()(
        golden["in/text"], golden["in/text_lengths"], golden["in/mel"], golden["in/mel_lengths"]
    )
    ours = {
        "mel": out.mel,
        "mel_postnet": out.mel_postnet,
        "gate": out.gate,
        "alignments": out.alignment,
        "decoder_outputs": out.hidden,
    }
    theirs = golden.group("eval")
    assert theirs
    for name, value in theirs.items():
        close(ours[name], value)


def test_free_running(golden):
    out, lengths = golden.model.eval().infer(
        golden["in/text"][:1], golden["in/text_lengths"][:1], max_frames=golden.max_frames
    )
    theirs = golden.group("infer")
    assert lengths.tolist() == [theirs["mel"].shape[2]]
    close(out.mel, theirs["mel"])
    close(out.mel_postnet, theirs["mel_postnet"])
    close(out.gate, theirs["gate"].squeeze(2))
    close(out.alignment, theirs["alignments"])


def test_loss_and_gradients_of_the_plain_head():
    golden = Golden("plain")
    _, loss = golden.train_output()
    close(loss.double(), golden["train/taco_loss"])
    loss.backward()
    gradients = golden.group("grad")
    assert gradients.keys() == dict(golden.model.named_parameters()).keys()
    for name, parameter in golden.model.named_parameters():
        close(parameter.grad, gradients[name])


def test_losses_and_balanced_gradients_of_the_mmi_head(golden_mmi):
    out, loss = golden_mmi.train_output()
    mi = golden_mmi.mi_loss(out)
    close(loss.double(), golden_mmi["train/taco_loss"])
    close(mi.double(), golden_mmi["train/mi_loss"])
    factor = balanced_backward(loss, mi, list(golden_mmi.model.parameters()), max_gaf=0.5)
    close((loss + factor * mi).double(), golden_mmi["train/total_loss"])
    gradients = golden_mmi.group("grad")
    for name, parameter in golden_mmi.model.named_parameters():
        close(parameter.grad, gradients[name])


def test_gradient_adaptive_factor_without_a_cap(golden_mmi):
    out, loss = golden_mmi.train_output()
    parameters = list(golden_mmi.model.parameters())
    of_loss, of_mi = (
        torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        for value in (loss, golden_mmi.mi_loss(out))
    )
    factor = gradient_adaptive_factor(of_loss, of_mi, max_gaf=float("inf"))
    torch.testing.assert_close(factor.double(), golden_mmi["train/gaf"], rtol=1e-4, atol=0)
