"""A model cut at its loops, for whoever runs it outside of here: one text at a time.

Standard operations only, with nothing random and no state, so that torch.export takes each part.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ponytaco.model.tacotron2 import Tacotron2


class EncoderProgram(nn.Module):
    """Symbols -> the encoder's features, for one text.

    Args:
        model: whose embedding and convolutions it has.
    """

    def __init__(self, model: Tacotron2) -> None:
        super().__init__()
        self.embedding = model.embedding
        self.convolutions = model.encoder.convolutions

    def forward(self, text: Tensor) -> Tensor:
        """(1, T_text) symbol ids -> (1, T_text, dim)."""
        x = self.embedding(text).transpose(1, 2)
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
        return x.transpose(1, 2)


class EncoderStepProgram(nn.Module):
    """One step of the encoder's LSTM in both directions.

    Args:
        model: whose encoder's LSTM it has.
    """

    def __init__(self, model: Tacotron2) -> None:
        super().__init__()
        lstm = model.encoder.lstm
        self.forwards = nn.LSTMCell(lstm.input_size, lstm.hidden_size)
        self.backwards = nn.LSTMCell(lstm.input_size, lstm.hidden_size)
        for cell, direction in ((self.forwards, ""), (self.backwards, "_reverse")):
            cell.load_state_dict(
                {name: getattr(lstm, f"{name}_l0{direction}") for name in cell.state_dict()}
            )

    def forward(self, first: Tensor, last: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Make a step.

        Args:
            first: (1, dim), the encoder's features from the text's beginning on.
            last: (1, dim), those from its end on.
            state: hidden and cell of the direction forwards, and of that backwards, each
                (1, dim / 2); zeros at first.

        Returns:
            The new state.
        """
        forwards = self.forwards(first, state[:2])
        return (*forwards, *self.backwards(last, state[2:]))


class MemoryProgram(nn.Module):
    """Both directions' hidden states -> memory, and its share of the energies.

    Args:
        model: whose memory layer it has.
    """

    def __init__(self, model: Tacotron2) -> None:
        super().__init__()
        self.memory_layer = model.decoder.attention_layer.memory_layer

    def forward(self, forwards: Tensor, backwards: Tensor) -> tuple[Tensor, Tensor]:
        """Twice (1, T_text, dim / 2), in the text's order -> (1, T_text, …) twice."""
        memory = torch.cat((forwards, backwards), dim=2)
        return memory, self.memory_layer(memory)


class DecoderStepProgram(nn.Module):
    """One decoder step for one text: the frame before -> the next frames and the gate.

    The prenet's dropout is an input, two masks of 0 and 1 / (1 - p), so that a program always
    computes the same and whoever runs it chooses the randomness.

    Args:
        model: whose decoder it has.
    """

    def __init__(self, model: Tacotron2) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(
        self,
        frame: Tensor,
        keep: Tensor,
        memory: Tensor,
        processed: Tensor,
        state: tuple[Tensor, ...],
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Make a step.

        Args:
            frame: (1, n_mels), the last frame; zeros at first.
            keep: (2, 1, prenet_dim) masks.
            memory: (1, T_text, memory_dim).
            processed: (1, T_text, attention_dim), the memory's share of the energies.
            state: attention LSTM's hidden and cell, decoder LSTM's hidden and cell, context,
                attention weights and their sum; zeros at first.

        Returns:
            frames (1, r, n_mels), gate logits (1, r), and the new state.
        """
        decoder = self.decoder
        hidden, cell, decoder_hidden, decoder_cell, context, weights, weights_sum = state
        x = frame
        for layer, mask in zip(decoder.prenet.layers, keep.unbind(0), strict=True):
            x = torch.relu(layer(x)) * mask
        hidden, cell = decoder.attention_rnn(torch.cat((x, context), dim=1), (hidden, cell))
        attention = decoder.attention_layer
        location = attention.location_layer["location_conv"](
            torch.stack((weights, weights_sum), dim=1)
        )
        location = attention.location_layer["location_dense"](location.transpose(1, 2))
        energies = attention.v(
            torch.tanh(attention.query_layer(hidden)[:, None] + processed + location)
        )
        weights = torch.softmax(energies[:, :, 0], dim=1)
        context = torch.bmm(weights[:, None], memory)[:, 0]
        decoder_hidden, decoder_cell = decoder.decoder_rnn(
            torch.cat((hidden, context), dim=1), (decoder_hidden, decoder_cell)
        )
        features = torch.cat((decoder_hidden, context), dim=1)[None]
        _, frames, gate = decoder.project(features)
        new_state = (
            hidden,
            cell,
            decoder_hidden,
            decoder_cell,
            context,
            weights,
            weights_sum + weights,
        )
        return frames.transpose(0, 1), gate.transpose(0, 1), new_state


class PostnetProgram(nn.Module):
    """The mel of all steps -> the mel to be heard.

    Args:
        model: whose postnet it has.
    """

    def __init__(self, model: Tacotron2) -> None:
        super().__init__()
        self.postnet = model.postnet

    def forward(self, mel: Tensor) -> Tensor:
        """(1, n_mels, T_mel) -> (1, n_mels, T_mel)."""
        return mel + self.postnet(mel)
