"""From a dataset folder to batches: reading, alignment targets, mel cache, sampler, loader."""
