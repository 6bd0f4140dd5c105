# SPDX-License-Identifier: Apache-2.0
"""A user's .npz file: arrays of samples, their labels, perhaps a test split and names of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.data.sources.layouts import MOST_CLASSES, class_numbers, in_own_layout, read_arrays
from tinyformer.errors import TinyFormerError


@dataclass(frozen=True)
class Archive:
    """What the file holds. ``samples`` (N, ...) is not checked beyond its count; the labels are."""

    samples: NDArray[Any]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    test_samples: NDArray[Any] | None
    test_labels: NDArray[np.int64] | None


def read_archive(path: Path, name: str) -> Archive:
    """The arrays ``name`` and ``labels`` of ``path``, and ``test_<name>``, ``test_labels`` and ``classes`` if any.

    They may have the names that others give them (:mod:`.layouts`). Raises TinyFormerError where an array is missing,
    labels are no numbers of classes, or the file is damaged.
    """
    content = in_own_layout(read_arrays(path), name)
    samples, labels = _pair(content, name, "labels", path)
    official = f"test_{name}" in content
    test_samples, test_labels = _pair(content, f"test_{name}", "test_labels", path) if official else (None, None)
    count = int(labels.max()) + 1
    if count > MOST_CLASSES:
        raise TinyFormerError(
            f"{path} has the label {count - 1:,}: at most {MOST_CLASSES:,} classes, numbered from 0, are possible."
        )
    names = content["classes"] if "classes" in content else range(count)
    classes = tuple(str(name) for name in names)
    highest = max(count, int(test_labels.max()) + 1 if test_labels is not None else 0)
    if highest > len(classes):
        raise TinyFormerError(f"{path} has the label {highest - 1} but only {len(classes)} classes: name them all.")
    return Archive(samples, labels, classes, test_samples, test_labels)


def _pair(
    content: dict[str, NDArray[Any]], samples_key: str, labels_key: str, path: Path
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    for key in (samples_key, labels_key):
        if key not in content:
            raise TinyFormerError(
                f"{path} has no array '{key}' (it has: {', '.join(sorted(content))}): save it under that name."
            )
    samples, labels = content[samples_key], class_numbers(content[labels_key])
    if samples.ndim < 2 or 0 in samples.shape:
        raise TinyFormerError(f"'{samples_key}' of {path} is {samples.shape}: it must be (N, ...) with samples in it.")
    if labels.shape != (len(samples),) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise TinyFormerError(
            f"'{labels_key}' of {path} must be {len(samples)} integers from 0 upwards, one a row of '{samples_key}'."
        )
    return samples, labels.astype(np.int64)
