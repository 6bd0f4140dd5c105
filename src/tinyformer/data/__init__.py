"""Data sets: fetch, verify, split, load. ``data.loading`` (torch) and ``data.datamodule`` (Lightning) are imported by
name."""

from tinyformer.data.manifest import Manifest
from tinyformer.data.preparation import prepare_dataset
from tinyformer.data.splits import Split, Splits, load_splits

__all__ = ["Manifest", "Split", "Splits", "load_splits", "prepare_dataset"]
