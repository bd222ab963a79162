"""Tacotron 2, assembled from a ModelConfig."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ponytaco.config import ModelConfig
from ponytaco.model.ctc_head import CTCHead
from ponytaco.model.decoder import Decoder, DecoderOutput, ForcedAttention
from ponytaco.model.encoder import Encoder
from ponytaco.model.inference_decoder import PackedDecoder
from ponytaco.model.layers import length_mask
from ponytaco.model.postnet import Postnet

# The gate's logit beyond a clip's end, as in NVIDIA/tacotron2.
_GATE_OVER = 1e3


class Tacotron2Output(NamedTuple):
    """Output of the model for a batch.

    Beyond each clip's frames mel, mel_postnet and hidden are 0 and the gate is 1000.
    """

    mel: Tensor  # (B, n_mels, T_mel), before the postnet
    mel_postnet: Tensor  # (B, n_mels, T_mel)
    gate: Tensor  # (B, T_mel) logits: above 0 where the clip is over
    alignment: Tensor  # (B, T_steps, T_text), T_steps = ceil(T_mel / n_frames_per_step)
    hidden: Tensor  # (B, hidden_dim, T_steps): the decoder's features for the CTC head


class Tacotron2(nn.Module):
    """Shen et al. 2018 (arXiv:1712.05884) with the head of Liu et al. 2019 (arXiv:1909.01145).

    Parameter names are those of NVIDIA/tacotron2 and bfs18/tacotron2, so that published weights
    load unchanged. With head 'mmi' the CTC head is ``mi``, which synthesis never calls.

    Args:
        config: sizes and dropouts.
        n_symbols: size of the symbol table.
        n_mels: mel bands.
        n_ctc_symbols: size of the CTC alphabet without its blank; only head 'mmi' needs it.
    """

    def __init__(
        self, config: ModelConfig, n_symbols: int, n_mels: int, n_ctc_symbols: int
    ) -> None:
        super().__init__()
        c = config
        self.embedding = nn.Embedding(n_symbols, c.symbols_embedding_dim)
        # NVIDIA's initialisation: uniform, with the standard deviation of Xavier's normal one.
        bound = (6.0 / (n_symbols + c.symbols_embedding_dim)) ** 0.5
        nn.init.uniform_(self.embedding.weight, -bound, bound)
        self.encoder = Encoder(
            in_dim=c.symbols_embedding_dim,
            dim=c.encoder_embedding_dim,
            kernel_size=c.encoder_kernel_size,
            n_convolutions=c.encoder_n_convolutions,
            p_dropout=c.p_encoder_dropout,
        )
        self.decoder = Decoder(
            head=c.head,
            n_mels=n_mels,
            memory_dim=c.encoder_embedding_dim,
            attention_rnn_dim=c.attention_rnn_dim,
            decoder_rnn_dim=c.decoder_rnn_dim,
            prenet_dim=c.prenet_dim,
            attention_dim=c.attention_dim,
            location_n_filters=c.attention_location_n_filters,
            location_kernel_size=c.attention_location_kernel_size,
            n_frames_per_step=c.n_frames_per_step,
            p_prenet_dropout=c.p_prenet_dropout,
            p_attention_dropout=c.p_attention_dropout,
            p_decoder_dropout=c.p_decoder_dropout,
            p_head_dropout=c.p_head_dropout,
        )
        self.postnet = Postnet(
            n_mels=n_mels,
            dim=c.postnet_embedding_dim,
            kernel_size=c.postnet_kernel_size,
            n_convolutions=c.postnet_n_convolutions,
            p_dropout=c.p_postnet_dropout,
        )
        self.mi: CTCHead | None = None
        if c.head == "mmi":
            self.mi = CTCHead(
                in_dim=c.decoder_rnn_dim,
                n_symbols=n_ctc_symbols,
                n_frames_per_step=c.n_frames_per_step,
                p_dropout=c.p_ctc_dropout,
            )

    def forward(
        self,
        text: Tensor,
        text_lengths: Tensor,
        teacher_mel: Tensor,
        mel_lengths: Tensor,
        p_teacher_forcing: float = 1.0,
        teacher_forcing_window: int = 50,
        forced_attention: ForcedAttention | None = None,
    ) -> Tacotron2Output:
        """Predict a batch of clips with teacher forcing.

        Args:
            text: (B, T_text) symbol ids.
            text_lengths: (B,) symbols of each text.
            teacher_mel: (B, n_mels, T_mel), the frames that the decoder is fed.
            mel_lengths: (B,) frames of each clip.
            p_teacher_forcing: probability that a window is fed the true frames.
            teacher_forcing_window: frames in a window.
            forced_attention: attention weights that replace a share of the previous ones.
        """
        memory = self.encoder(self.embedding(text).transpose(1, 2), text_lengths)
        out = self.decoder(
            memory,
            text_lengths,
            teacher_mel,
            p_teacher_forcing,
            teacher_forcing_window,
            forced_attention=forced_attention,
        )
        return self._finish(out, out.mel + self.postnet(out.mel), mel_lengths)

    @torch.no_grad()
    def infer(
        self,
        text: Tensor,
        text_lengths: Tensor,
        max_frames: int = 1000,
        gate_threshold: float = 0.5,
        packed: PackedDecoder | None = None,
        may_stop_from: Tensor | None = None,
    ) -> tuple[Tacotron2Output, Tensor]:
        """Synthesise a batch of texts; each text's output does not depend on the others.

        Args:
            text: (B, T_text) symbol ids.
            text_lengths: (B,) symbols of each text.
            max_frames: limit of a clip that never stops.
            gate_threshold: probability of the gate above which a clip is over.
            packed: the packed decoder, if it exists already.
            may_stop_from: (B,) symbol that attention must have reached before a clip can be over,
                see ``metrics.attention_errors.may_stop_from``; by default 0 for all.

        Returns:
            The output, and the frames of each clip (B,).
        """
        mask = length_mask(text_lengths, text.shape[1], text.device)
        memory = self.encoder(self.embedding(text).transpose(1, 2), text_lengths, mask)
        packed = packed or PackedDecoder(self.decoder)
        free = packed(memory, text_lengths, max_frames, gate_threshold, may_stop_from)
        frame_mask = length_mask(free.lengths, free.mel.shape[2], free.mel.device)
        mel_postnet = free.mel + self.postnet(free.mel, frame_mask)
        out = DecoderOutput(free.mel, free.gate, free.alignment, free.hidden)
        return self._finish(out, mel_postnet, free.lengths), free.lengths

    def _finish(
        self, out: DecoderOutput, mel_postnet: Tensor, mel_lengths: Tensor
    ) -> Tacotron2Output:
        beyond = ~length_mask(mel_lengths, out.mel.shape[2], out.mel.device)
        step_lengths = -(-mel_lengths // self.decoder.n_frames_per_step)
        beyond_steps = ~length_mask(step_lengths, out.hidden.shape[2], out.mel.device)
        # Float32 for losses and plots, whatever type autocast has chosen.
        out = DecoderOutput(*(part.float() for part in out))
        mel_postnet = mel_postnet.float()
        return Tacotron2Output(
            mel=out.mel.masked_fill(beyond[:, None], 0.0),
            mel_postnet=mel_postnet.masked_fill(beyond[:, None], 0.0),
            gate=out.gate.masked_fill(beyond, _GATE_OVER),
            alignment=out.alignment,
            hidden=out.hidden.masked_fill(beyond_steps[:, None], 0.0),
        )
