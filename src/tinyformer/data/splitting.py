# SPDX-License-Identifier: Apache-2.0
"""Stratified splits: every class keeps its share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def stratified_sample(labels: NDArray[np.int64], count: int, rng: np.random.Generator) -> Indices:
    """``count`` positions of ``labels``, ascending, each class by its share (largest remainders), drawn at random
    within a class."""
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * (count / len(labels))
    quotas = np.floor(exact).astype(np.int64)
    rest = count - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:rest]] += 1
    chosen = [
        rng.permutation(np.flatnonzero(labels == label))[:quota] for label, quota in zip(classes, quotas, strict=True)
    ]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def split_off(labels: NDArray[np.int64], count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """(the rest, ``count`` positions split off); disjoint, together everything, both ascending."""
    chosen = stratified_sample(labels, count, rng)
    rest = np.setdiff1d(np.arange(len(labels)), chosen, assume_unique=True)
    return rest, chosen
