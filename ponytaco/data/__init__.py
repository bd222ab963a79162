"""A dataset folder to batches: reading, alignment targets, cached mels, sampling, collating."""
