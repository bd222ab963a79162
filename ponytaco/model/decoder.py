"""The decoder: memory and previous frames -> next mel frames and gate.

Under teacher forcing the attention LSTM needs only the true frames, its own state and the previous
context, and the decoder LSTM feeds nothing back. So what the published code computes frame by frame
separates into four stages with the same result: the prenet and its share of the attention LSTM's
gates for all frames at once; a loop of attention LSTM and attention; a loop of the decoder LSTM's
recurrent part; the output head for all frames at once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ponytaco.model.attention import LocationSensitiveAttention
from ponytaco.model.cuda_graphs import Graphs
from ponytaco.model.dropout import Dropout, dropout_mask
from ponytaco.model.layers import LinearNorm, length_mask
from ponytaco.model.prenet import Prenet
from ponytaco.model.recurrence import AttentionWeights, LSTMWeights, attention_loop, lstm_loop


class DecoderState(NamedTuple):
    """The recurrent state between two decoder steps; hidden states are divided by their gain."""

    attention_hidden: Tensor  # (B, attention_rnn_dim)
    attention_cell: Tensor  # (B, attention_rnn_dim)
    decoder_hidden: Tensor  # (B, decoder_rnn_dim)
    decoder_cell: Tensor  # (B, decoder_rnn_dim)
    context: Tensor  # (B, memory_dim)
    weights: Tensor  # (B, T_text), the previous attention weights
    weights_sum: Tensor  # (B, T_text), their cumulative sum


class Memory(NamedTuple):
    """The encoded text, prepared for the attention."""

    memory: Tensor  # (B, T_text, memory_dim)
    processed: Tensor  # (B, T_text, attention_dim)
    mask: Tensor  # (B, T_text), True where a symbol is real


class DropoutMasks(NamedTuple):
    """What dropout keeps of the two LSTMs' outputs; it is multiplied by 1 / (1 - p)."""

    attention: Tensor  # (T_steps, B, attention_rnn_dim)
    decoder: Tensor  # (T_steps, B, decoder_rnn_dim)


class ForcedAttention(NamedTuple):
    """Attention forcing: target weights, and the share of the previous weights they replace.

    Location-sensitive attention can learn to move on from its previous position only once it has
    one. Until then the target's position is given to it. Only the inputs of the location
    convolution are replaced: context and alignment stay the model's own.
    """

    weights: Tensor  # (T_steps, B, T_text), each row summing to one, or zeros
    share: Tensor  # (B, 1), 0 to 1


class _LoopWeights(NamedTuple):
    """Weights of the loops, prepared once per batch."""

    attention_rnn: LSTMWeights
    attention: AttentionWeights
    decoder_rnn: LSTMWeights


class DecoderOutput(NamedTuple):
    """Output of the decoder for a batch."""

    mel: Tensor  # (B, n_mels, T_mel)
    gate: Tensor  # (B, T_mel) logits: above 0 where the clip is over
    alignment: Tensor  # (B, T_steps, T_text)
    hidden: Tensor  # (B, hidden_dim, T_steps): the output head's features, for the CTC head


class Decoder(nn.Module):
    """Prenet, attention LSTM, attention, decoder LSTM and an output head.

    Args:
        head: 'plain' (one linear layer to the mel, one to the gate; NVIDIA/tacotron2) or 'mmi'
            (a hidden layer between, which the CTC head reads; bfs18/tacotron2).
        n_mels: mel bands.
        memory_dim: size of the memory.
        attention_rnn_dim: size of the attention LSTM.
        decoder_rnn_dim: size of the decoder LSTM.
        prenet_dim: size of the prenet.
        attention_dim: size of the energies' hidden layer.
        location_n_filters: filters of the attention's location convolution.
        location_kernel_size: its kernel in symbols; odd.
        n_frames_per_step: reduction factor r, the mel frames of a step; the last one is fed back.
        p_prenet_dropout: the prenet's dropout, which stays on in synthesis.
        p_attention_dropout: dropout on the attention LSTM's output, in training only.
        p_decoder_dropout: dropout on the decoder LSTM's output, in training only.
        p_head_dropout: dropout in the 'mmi' head, in training only.

    Attributes:
        graphs: run the loops on a GPU; None runs them plainly.
    """

    def __init__(
        self,
        head: str,
        n_mels: int,
        memory_dim: int,
        attention_rnn_dim: int,
        decoder_rnn_dim: int,
        prenet_dim: int,
        attention_dim: int,
        location_n_filters: int,
        location_kernel_size: int,
        n_frames_per_step: int,
        p_prenet_dropout: float,
        p_attention_dropout: float,
        p_decoder_dropout: float,
        p_head_dropout: float,
    ) -> None:
        super().__init__()
        self.n_mels = n_mels
        self.prenet_dim = prenet_dim
        self.n_frames_per_step = n_frames_per_step
        self.p_attention_dropout = p_attention_dropout
        self.p_decoder_dropout = p_decoder_dropout
        self.prenet = Prenet(n_mels, prenet_dim, p_prenet_dropout)
        self.attention_rnn = nn.LSTMCell(prenet_dim + memory_dim, attention_rnn_dim)
        self.attention_layer = LocationSensitiveAttention(
            attention_rnn_dim, memory_dim, attention_dim, location_n_filters, location_kernel_size
        )
        self.decoder_rnn = nn.LSTMCell(attention_rnn_dim + memory_dim, decoder_rnn_dim)
        features_dim = decoder_rnn_dim + memory_dim
        mel_dim = n_mels * n_frames_per_step
        self.mel_layer: nn.Sequential | None
        self.linear_projection: nn.Sequential | LinearNorm
        if head == "mmi":
            self.linear_projection = nn.Sequential(
                LinearNorm(features_dim, decoder_rnn_dim, gain_of="relu"),
                nn.ReLU(),
                Dropout(p_head_dropout),
            )
            self.mel_layer = nn.Sequential(
                LinearNorm(decoder_rnn_dim, decoder_rnn_dim, gain_of="relu"),
                nn.ReLU(),
                Dropout(p_head_dropout),
                LinearNorm(decoder_rnn_dim, mel_dim),
            )
            gate_in_dim = decoder_rnn_dim
        else:
            self.linear_projection = LinearNorm(features_dim, mel_dim)
            self.mel_layer = None
            gate_in_dim = features_dim
        # One gate value a frame, so that a clip may end inside a step's group of frames.
        self.gate_layer = LinearNorm(gate_in_dim, n_frames_per_step, gain_of="sigmoid")
        self.graphs: Graphs | None = None

    def forward(
        self,
        memory: Tensor,
        text_lengths: Tensor,
        teacher_mel: Tensor,
        p_teacher_forcing: float = 1.0,
        teacher_forcing_window: int = 50,
        masks: DropoutMasks | None = None,
        forced_attention: ForcedAttention | None = None,
    ) -> DecoderOutput:
        """Decode with teacher forcing.

        Args:
            memory: (B, T_text, memory_dim).
            text_lengths: (B,) symbols of each text.
            teacher_mel: (B, n_mels, T_mel), frame t of which is fed to make frame t + 1.
            p_teacher_forcing: probability that a window is fed the true frames; other windows are
                fed the model's own previous output, without its gradient.
            teacher_forcing_window: frames in a window.
            masks: the LSTMs' dropout; in training drawn here by default.
            forced_attention: attention weights that replace a share of the previous ones.
        """
        r = self.n_frames_per_step
        n_frames = teacher_mel.shape[2]
        n_steps = -(-n_frames // r)
        memory_parts = self.prepare_memory(memory, text_lengths)
        state = self.initial_state(memory_parts)
        if masks is None and self.training:
            masks = self._draw_masks(n_steps, state)

        # The last frame of each group is the input of the next step; the first gets zeros.
        last_frames = teacher_mel.permute(2, 0, 1)[r - 1 :: r][: n_steps - 1]
        go_frame = teacher_mel.new_zeros(1, *teacher_mel.shape[:2])
        prenet_frames = self.prenet(torch.cat((go_frame, last_frames)))

        loop_weights = self._loop_weights(memory.device, masks is not None)
        features: list[Tensor] = []
        weights: list[Tensor] = []
        for start, stop, forced in _segments(
            n_steps, max(1, teacher_forcing_window // r), p_teacher_forcing
        ):
            inputs = prenet_frames[start:stop]
            if not forced and start > 0:
                own_frame = self.project(features[-1][-1:])[1][-1].detach()
                inputs = self.prenet(own_frame)[None]
            segment_masks = masks and DropoutMasks(*(mask[start:stop] for mask in masks))
            segment_attention = forced_attention and ForcedAttention(
                forced_attention.weights[start:stop], forced_attention.share
            )
            segment_features, segment_weights, state = self._decode_segment(
                inputs, state, memory_parts, loop_weights, segment_masks, segment_attention
            )
            features.append(segment_features)
            weights.append(segment_weights)

        hidden, mel, gate = self.project(torch.cat(features))
        return DecoderOutput(
            mel=mel[:n_frames].permute(1, 2, 0),
            gate=gate[:n_frames].T,
            alignment=torch.cat(weights).transpose(0, 1),
            hidden=hidden.permute(1, 2, 0),
        )

    @torch.no_grad()
    def start_from(self, mean_frame: Tensor) -> None:
        """Initialise the output bias with the data set's mean frame.

        Log-mels lie around -5: from zero, the first hundred training steps go into the bias.

        Args:
            mean_frame: (n_mels,).
        """
        head = self.linear_projection if self.mel_layer is None else self.mel_layer[-1]
        bias = head.get_submodule("linear_layer").get_parameter("bias")
        bias.copy_(mean_frame.repeat(self.n_frames_per_step))

    def prepare_memory(self, memory: Tensor, text_lengths: Tensor) -> Memory:
        """Compute what all steps share of the memory."""
        return Memory(
            memory,
            self.attention_layer.process_memory(memory),
            length_mask(text_lengths, memory.shape[1], memory.device),
        )

    def initial_state(self, memory: Memory) -> DecoderState:
        """Return zeros with the memory's batch size, device and type."""
        batch, n_symbols, memory_dim = memory.memory.shape
        attention_dim = self.attention_rnn.hidden_size
        decoder_dim = self.decoder_rnn.hidden_size
        widths = (attention_dim, attention_dim, decoder_dim, decoder_dim, memory_dim)
        return DecoderState(
            *(memory.memory.new_zeros(batch, width) for width in (*widths, n_symbols, n_symbols))
        )

    def _decode_segment(
        self,
        prenet_frames: Tensor,
        state: DecoderState,
        memory: Memory,
        weights: _LoopWeights,
        masks: DropoutMasks | None,
        forced_attention: ForcedAttention | None,
    ) -> tuple[Tensor, Tensor, DecoderState]:
        """Run both LSTMs and the attention over steps with given inputs.

        Args:
            prenet_frames: (S, B, prenet_dim).
            state: the state before these steps.
            memory: from ``prepare_memory``.
            weights: from ``_loop_weights``.
            masks: the LSTMs' dropout for these steps.
            forced_attention: attention forcing for these steps.

        Returns:
            features (S, B, decoder_rnn_dim + memory_dim) for ``project``, attention weights
            (S, B, T_text), and the state after these steps.
        """
        attention_dim = self.attention_rnn.hidden_size
        forced_weights, forced_share = forced_attention or (None, None)
        attended, attention, attention_cell, weights_sum = attention_loop(
            prenet_frames,
            weights.attention_rnn,
            weights.attention,
            memory.memory,
            memory.processed,
            memory.mask,
            masks.attention.transpose(1, 2) if masks else None,
            (
                state.attention_hidden,
                state.attention_cell,
                state.context,
                state.weights,
                state.weights_sum,
            ),
            forced_weights,
            forced_share,
            self.graphs,
        )
        attended = attended.transpose(1, 2)  # (S, B, attention_rnn_dim + memory_dim)
        decoder_hiddens, decoder_cell = lstm_loop(
            attended,
            weights.decoder_rnn,
            masks.decoder.transpose(1, 2) if masks else None,
            state.decoder_hidden,
            state.decoder_cell,
            self.graphs,
        )
        decoder_hiddens = decoder_hiddens.transpose(1, 2)
        contexts = attended[:, :, attention_dim:]
        state = DecoderState(
            attention_hidden=attended[-1, :, :attention_dim],
            attention_cell=attention_cell,
            decoder_hidden=decoder_hiddens[-1],
            decoder_cell=decoder_cell,
            context=contexts[-1],
            weights=_previous_weights(attention[-1], forced_attention),
            weights_sum=weights_sum,
        )
        features = torch.cat((decoder_hiddens * weights.decoder_rnn.gain, contexts), dim=2)
        return features, attention, state

    def project(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the output head for any number of steps at once.

        Args:
            features: (S, B, decoder_rnn_dim + memory_dim).

        Returns:
            hidden (S, B, hidden_dim), mel (S * r, B, n_mels) and gate logits (S * r, B).
        """
        if self.mel_layer is None:
            hidden = features
            mel = self.linear_projection(features)
        else:
            hidden = self.linear_projection(features)
            mel = self.mel_layer(hidden)
        gate = self.gate_layer(hidden)
        n_steps, batch, r = gate.shape
        mel = mel.view(n_steps, batch, r, self.n_mels).transpose(1, 2)
        return (
            hidden,
            mel.reshape(n_steps * r, batch, self.n_mels),
            gate.transpose(1, 2).reshape(n_steps * r, batch),
        )

    def _loop_weights(self, device: torch.device, has_dropout: bool) -> _LoopWeights:
        dtype = _product_dtype(device)
        attention_rnn, decoder_rnn = self.attention_rnn, self.decoder_rnn
        attention_dim, attention = attention_rnn.hidden_size, self.attention_layer
        gains = [
            2 / (1 - p if has_dropout else 1)
            for p in (self.p_attention_dropout, self.p_decoder_dropout)
        ]
        of_frames, of_context = attention_rnn.weight_ih.tensor_split([self.prenet_dim], dim=1)
        of_attention, of_its_context = decoder_rnn.weight_ih.tensor_split([attention_dim], dim=1)
        return _LoopWeights(
            LSTMWeights(
                of_frames,
                attention_rnn.bias_ih + attention_rnn.bias_hh,
                torch.cat((attention_rnn.weight_hh * gains[0], of_context), dim=1),
                gains[0],
            ).prepare(dtype),
            AttentionWeights(
                attention.query_weight * gains[0],
                attention.location_weight(),
                attention.energy_weight,
            ).prepare(dtype),
            LSTMWeights(
                torch.cat((of_attention * gains[0], of_its_context), dim=1),
                decoder_rnn.bias_ih + decoder_rnn.bias_hh,
                decoder_rnn.weight_hh * gains[1],
                gains[1],
            ).prepare(dtype),
        )

    def _draw_masks(self, n_steps: int, state: DecoderState) -> DropoutMasks:
        def draw(like: Tensor, p: float) -> Tensor:
            # The loops need them with the batch in columns.
            shape = (n_steps, like.shape[1], like.shape[0])
            return dropout_mask(shape, p, like.device).transpose(1, 2)

        return DropoutMasks(
            draw(state.attention_hidden, self.p_attention_dropout),
            draw(state.decoder_hidden, self.p_decoder_dropout),
        )


def _previous_weights(weights: Tensor, forced: ForcedAttention | None) -> Tensor:
    """Return the weights that the step after a segment sees of its last one, (B, T_text)."""
    return weights if forced is None else torch.lerp(weights, forced.weights[-1], forced.share)


def _product_dtype(device: torch.device) -> torch.dtype:
    """Return the type of the recurrent products: autocast's if it is on."""
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return torch.float32


def _segments(n_steps: int, window: int, p_teacher_forcing: float) -> list[tuple[int, int, bool]]:
    """Cut time into segments that can be run at once, as (start, stop, is teacher-forced).

    A free-running window becomes single steps, because each needs the previous one's output.
    """
    if p_teacher_forcing >= 1.0:
        return [(0, n_steps, True)]
    segments: list[tuple[int, int, bool]] = []
    for start in range(0, n_steps, window):
        stop = min(start + window, n_steps)
        if float(torch.rand(())) < p_teacher_forcing:
            segments.append((start, stop, True))
        else:
            segments.extend((step, step + 1, False) for step in range(start, stop))
    return segments
