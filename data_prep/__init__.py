"""Preparation of a character's archive or recordings as a dataset folder for ponytaco."""
