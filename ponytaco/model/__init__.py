"""Tacotron 2: encoder, attention, decoder, postnet and CTC head."""
