"""Weights of one layout or size brought to another."""
