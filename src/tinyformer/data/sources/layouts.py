# SPDX-License-Identifier: Apache-2.0
"""Layouts of .npz archives that people have: this project's own, MedMNIST's, Keras'."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.errors import TinyFormerError

MOST_BYTES = 16 << 30
"""Of all arrays together: an archive of few bytes may unfold to more than memory holds."""
MOST_CLASSES = 10_000


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an archive.

    Raises TinyFormerError where the file is damaged, holds pickled objects, or would take too much memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MOST_BYTES:
            raise TinyFormerError(f"{path} unfolds to {unpacked:,} bytes, more than {MOST_BYTES:,}: take a part of it.")
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError, MemoryError) as error:
        raise TinyFormerError(f"{path} cannot be read ({error}): write it again with numpy.savez.") from error


def in_own_layout(arrays: Mapping[str, NDArray[Any]], samples: str) -> dict[str, NDArray[Any]]:
    """``arrays`` as ``<samples>``, ``labels``, ``test_<samples>``, ``test_labels`` and ``classes``.

    Samples and labels for validation are added to those for training: validation images are chosen anew.
    """
    names = {
        samples: (samples, "train_images", "x_train", "X_train"),
        "labels": ("labels", "train_labels", "y_train", "Y_train"),
        f"val_{samples}": (f"val_{samples}", "val_images", "x_val", "X_val"),
        "val_labels": ("val_labels", "y_val", "Y_val"),
        f"test_{samples}": (f"test_{samples}", "test_images", "x_test", "X_test"),
        "test_labels": ("test_labels", "y_test", "Y_test"),
    }
    own = {key: array for key, array in arrays.items() if key == "classes"}
    for name, known in names.items():
        found = next((key for key in known if key in arrays), None)
        if found is not None:
            own[name] = arrays[found]
    for name in (samples, "labels"):
        extra = own.pop(f"val_{name}", None)
        if extra is not None and name in own and extra.shape[1:] == own[name].shape[1:]:
            own[name] = np.concatenate([own[name], extra])
    return own


def class_numbers(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels as a vector: columns of one number are flattened, and one-hot rows become the number of their class."""
    if labels.ndim != 2:
        return labels
    if labels.shape[1] == 1:
        return labels[:, 0]
    numeric = labels.dtype == bool or np.issubdtype(labels.dtype, np.number)
    one_hot = numeric and ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()
    return labels.argmax(axis=1) if one_hot else labels
