"""Tacotron 2: encoder, attention, decoder, postnet, and the CTC head."""
