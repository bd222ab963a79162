"""Experiments on what makes a voice learn."""
