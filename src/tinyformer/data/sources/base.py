# SPDX-License-Identifier: Apache-2.0
"""What every source delivers, and how it finds the user's files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DATA_VARIABLE = "TINYFORMER_DATA"
"""Environment variable with the directory that holds the user's data sets."""


@dataclass(frozen=True)
class LabelledImages:
    """All images of a source, at their final size, before splitting.

    ``images`` uint8 (N, H, W, C), ``labels`` int64 (N,); ``test_images``/``test_labels`` where the source has an
    official test split.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    origin: str
    """One phrase naming the source, for the manifest and the report."""
    test_images: NDArray[np.uint8] | None = None
    test_labels: NDArray[np.int64] | None = None
    value_range: tuple[float, float] | None = None
    """The numbers that became 0 and 255, where the source holds other numbers than bytes."""


def data_home() -> Path | None:
    """The directory named by $TINYFORMER_DATA, if set."""
    value = os.environ.get(DATA_VARIABLE)
    return Path(value).expanduser() if value else None


def resolve_root(root: str) -> Path:
    """``data.root`` as a path; relative ones start at $TINYFORMER_DATA where that is set and has them."""
    path = Path(root).expanduser()
    home = data_home()
    if home is not None and not path.is_absolute() and (home / path).exists():
        return home / path
    return path
