"""The slow, obvious decoder: one frame at a time, as the papers tell it.

It is the oracle that the package's decoder is held against, so it shares nothing with it but
the parameters' names: both load the same state dict.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Named(nn.Module):
    """A linear layer or convolution under the name that published checkpoints give it."""

    def __init__(self, name, module):
        super().__init__()
        self.add_module(name, module)
        self._name = name

    def forward(self, x):
        return self.get_submodule(self._name)(x)


def linear(in_dim, out_dim, bias=True):
    return Named("linear_layer", nn.Linear(in_dim, out_dim, bias))


class ReferenceDecoder(nn.Module):
    """Takes the same arguments as ponytaco.model.decoder.Decoder, prenet dropout aside."""

    def __init__(
        self, head, n_mels, memory_dim, attention_rnn_dim, decoder_rnn_dim, prenet_dim,
        attention_dim, location_n_filters, location_kernel_size, n_frames_per_step,
    ):  # fmt: skip
        super().__init__()
        self.head, self.n_mels, self.r = head, n_mels, n_frames_per_step
        self.prenet = nn.Module()
        self.prenet.layers = nn.ModuleList(
            [linear(n_mels, prenet_dim, False), linear(prenet_dim, prenet_dim, False)]
        )
        self.attention_rnn = nn.LSTMCell(prenet_dim + memory_dim, attention_rnn_dim)
        attention = self.attention_layer = nn.Module()
        attention.query_layer = linear(attention_rnn_dim, attention_dim, False)
        attention.memory_layer = linear(memory_dim, attention_dim, False)
        attention.v = linear(attention_dim, 1, False)
        attention.location_layer = nn.Module()
        attention.location_layer.location_conv = Named(
            "conv",
            nn.Conv1d(
                2, location_n_filters, location_kernel_size,
                padding=location_kernel_size // 2, bias=False,
            ),
        )  # fmt: skip
        attention.location_layer.location_dense = linear(location_n_filters, attention_dim, False)
        self.decoder_rnn = nn.LSTMCell(attention_rnn_dim + memory_dim, decoder_rnn_dim)
        features = decoder_rnn_dim + memory_dim
        if head == "mmi":
            self.linear_projection = nn.Sequential(linear(features, decoder_rnn_dim), nn.ReLU())
            self.mel_layer = nn.ModuleDict(
                {
                    "0": linear(decoder_rnn_dim, decoder_rnn_dim),
                    "3": linear(decoder_rnn_dim, n_mels * n_frames_per_step),
                }
            )
            self.gate_layer = linear(decoder_rnn_dim, n_frames_per_step)
        else:
            self.linear_projection = linear(features, n_mels * n_frames_per_step)
            self.gate_layer = linear(features, n_frames_per_step)

    def run_prenet(self, frame):
        for layer in self.prenet.layers:
            frame = F.relu(layer(frame))
        return frame

    def attend(self, query, memory, weights, weights_sum, text_lengths):
        layer = self.attention_layer
        location = layer.location_layer.location_conv(torch.stack([weights, weights_sum], 1))
        location = layer.location_layer.location_dense(location.transpose(1, 2))
        energies = layer.v(
            torch.tanh(
                layer.query_layer(query).unsqueeze(1) + location + layer.memory_layer(memory)
            )
        ).squeeze(2)
        rows = []
        for energy, length in zip(energies, text_lengths.tolist(), strict=True):
            real = torch.softmax(energy[:length], 0)
            rows.append(torch.cat([real, real.new_zeros(len(energy) - length)]))
        weights = torch.stack(rows)
        return torch.einsum("bt,btd->bd", weights, memory), weights

    def output(self, decoder_hidden, context):
        features = torch.cat([decoder_hidden, context], 1)
        if self.head == "mmi":
            hidden = self.linear_projection(features)
            mel = self.mel_layer["3"](F.relu(self.mel_layer["0"](hidden)))
        else:
            hidden, mel = features, self.linear_projection(features)
        gate = self.gate_layer(hidden)
        return hidden, mel.view(len(mel), self.r, self.n_mels), gate

    def forward(
        self, memory, text_lengths, teacher_mel, forced=None, masks=None, forced_attention=None
    ):
        """Decode.

        Args:
            memory: (B, T_text, memory_dim).
            text_lengths: (B,).
            teacher_mel: (B, n_mels, T_mel).
            forced: for each step, whether it is fed the true frame; all are if left out.
            masks: two lists of dropout factors, (B, dim) for each step.
            forced_attention: weights (T_steps, B, T_text), and the share (B, 1) of them in what the
                location layer sees of the steps before.

        Returns:
            mel (B, n_mels, T_mel), gate (B, T_mel), alignment (B, T_steps, T_text) and hidden
            (B, dim, T_steps).
        """
        batch, n_symbols, memory_dim = memory.shape
        n_frames = teacher_mel.shape[2]
        n_steps = (n_frames + self.r - 1) // self.r
        h1 = c1 = memory.new_zeros(batch, self.attention_rnn.hidden_size)
        h2 = c2 = memory.new_zeros(batch, self.decoder_rnn.hidden_size)
        context = memory.new_zeros(batch, memory_dim)
        weights = weights_sum = memory.new_zeros(batch, n_symbols)
        own_frame = memory.new_zeros(batch, self.n_mels)
        told, share = forced_attention or (None, None)
        mels, gates, alignments, hiddens = [], [], [], []
        for t in range(n_steps):
            if t == 0:
                frame = memory.new_zeros(batch, self.n_mels)
            elif forced is None or forced[t]:
                frame = teacher_mel[:, :, t * self.r - 1]
            else:
                frame = own_frame.detach()
            x = torch.cat([self.run_prenet(frame), context], 1)
            h1, c1 = self.attention_rnn(x, (h1, c1))
            if masks is not None:
                h1 = h1 * masks[0][t]
            context, own = self.attend(h1, memory, weights, weights_sum, text_lengths)
            weights = own if told is None else (1 - share) * own + share * told[t]
            weights_sum = weights_sum + weights
            h2, c2 = self.decoder_rnn(torch.cat([h1, context], 1), (h2, c2))
            if masks is not None:
                h2 = h2 * masks[1][t]
            hidden, frames, gate = self.output(h2, context)
            own_frame = frames[:, -1]
            mels.append(frames)
            gates.append(gate)
            alignments.append(own)
            hiddens.append(hidden)
        return (
            torch.cat(mels, 1)[:, :n_frames].transpose(1, 2),
            torch.cat(gates, 1)[:, :n_frames],
            torch.stack(alignments, 1),
            torch.stack(hiddens, 2),
        )
