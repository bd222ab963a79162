"""Small decoders, ours and the reference with the same weights, and inputs for them."""

import torch
from reference.decoder import ReferenceDecoder

from ponytaco.model.decoder import Decoder

SIZES = {
    "n_mels": 6, "memory_dim": 10, "attention_rnn_dim": 12, "decoder_rnn_dim": 14,
    "prenet_dim": 8, "attention_dim": 7, "location_n_filters": 3, "location_kernel_size": 5,
}  # fmt: skip
DROPOUTS = {
    "p_prenet_dropout": 0.0, "p_attention_dropout": 0.3, "p_decoder_dropout": 0.3,
    "p_head_dropout": 0.0,
}  # fmt: skip


def make_pair(head, r):
    torch.manual_seed(0)
    ours = Decoder(head=head, n_frames_per_step=r, **SIZES, **DROPOUTS)
    reference = ReferenceDecoder(head=head, n_frames_per_step=r, **SIZES)
    reference.load_state_dict(ours.state_dict())
    return ours, reference


def make_inputs(batch=3, n_symbols=9, n_frames=13):
    generator = torch.Generator().manual_seed(1)
    memory = torch.randn(batch, n_symbols, SIZES["memory_dim"], generator=generator)
    text_lengths = torch.tensor([n_symbols, n_symbols - 2, 4][:batch])
    mel = torch.randn(batch, SIZES["n_mels"], n_frames, generator=generator)
    return memory.requires_grad_(), text_lengths, mel
