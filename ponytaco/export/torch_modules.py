"""The model as stateless modules between its loops, for torch.export: one text at a time.

They use standard operations only, and nothing random.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ponytaco.model.tacotron2 import Tacotron2


class EncoderProgram(nn.Module):
    """Embedding and convolutions of the encoder.

    Args:
        model: the model to take them from.
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
        model: the model to take it from.
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
        """Run a step.

        Args:
            first: (1, dim), the encoder's features of the next symbol from the text's start.
            last: (1, dim), those of the next symbol from its end.
            state: hidden and cell of the forward direction, then of the backward one, each
                (1, dim / 2); zeros at first.

        Returns:
            The new state.
        """
        forwards = self.forwards(first, state[:2])
        return (*forwards, *self.backwards(last, state[2:]))


class MemoryProgram(nn.Module):
    """Memory from both directions' hidden states, and its projection for the attention.

    Args:
        model: the model to take the memory layer from.
    """

    def __init__(self, model: Tacotron2) -> None:
        super().__init__()
        self.memory_layer = model.decoder.attention_layer.memory_layer

    def forward(self, forwards: Tensor, backwards: Tensor) -> tuple[Tensor, Tensor]:
        """Compute memory (1, T_text, dim) and its projection from two (1, T_text, dim / 2)."""
        memory = torch.cat((forwards, backwards), dim=2)
        return memory, self.memory_layer(memory)


class DecoderStepProgram(nn.Module):
    """One decoder step for one text: previous frame -> next frames and gate.

    The prenet's dropout is an input, two masks of 0 and 1 / (1 - p), so that a program is
    deterministic and its caller draws the random numbers.

    Args:
        model: the model to take the decoder from.
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
        """Run a step.

        Args:
            frame: (1, n_mels), the previous frame; zeros at first.
            keep: (2, 1, prenet_dim) masks.
            memory: (1, T_text, memory_dim).
            processed: (1, T_text, attention_dim), the memory's projection.
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
    """The postnet, added to the mel.

    Args:
        model: the model to take the postnet from.
    """

    def __init__(self, model: Tacotron2) -> None:
        super().__init__()
        self.postnet = model.postnet

    def forward(self, mel: Tensor) -> Tensor:
        """(1, n_mels, T_mel) -> (1, n_mels, T_mel)."""
        return mel + self.postnet(mel)
