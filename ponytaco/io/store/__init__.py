"""Checkpoints on a disk that is slow, full or gone: a store that verifies what it keeps."""
