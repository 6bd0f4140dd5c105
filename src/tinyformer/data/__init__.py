# SPDX-License-Identifier: Apache-2.0
"""Data sets: fetch, verify, split (``data.preparation``), load. Preparing, batches for torch (``data.loading``) and for
Lightning (``data.datamodule``) are imported by name, so that reading a prepared data set needs NumPy alone."""

from tinyformer.data.manifest import Manifest
from tinyformer.data.splits import Split, Splits, load_splits

__all__ = ["Manifest", "Split", "Splits", "load_splits"]
