"""Conversion of weights to another layout or size."""
