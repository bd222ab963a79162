"""Dataset folders -> batches: mels, clips, the bucketed sampler, and what collates them."""

from ponytaco.dataset.batches import Batch, collate, endless_batches, validation_batches
from ponytaco.dataset.clips import ClipDataset, Datasets, merged_lexicon, open_datasets
from ponytaco.dataset.mels import Mels, UnreadableClipsError, load_mels
from ponytaco.dataset.sampler import BucketSampler, Pick

__all__ = [
    "Batch",
    "BucketSampler",
    "ClipDataset",
    "Datasets",
    "Mels",
    "Pick",
    "UnreadableClipsError",
    "collate",
    "endless_batches",
    "load_mels",
    "merged_lexicon",
    "open_datasets",
    "validation_batches",
]
