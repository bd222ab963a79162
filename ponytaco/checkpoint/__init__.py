"""Checkpoints: the file format, warm starts, and conversion between layouts."""
