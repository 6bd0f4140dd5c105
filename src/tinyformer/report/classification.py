# SPDX-License-Identifier: Apache-2.0
"""What the deployed model gets right and wrong, class by class, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Share:
    """``correct`` of ``count`` images."""

    name: str
    correct: int
    count: int

    @property
    def accuracy(self) -> float | None:
        """0..1; None where there are no images."""
        return self.correct / self.count if self.count else None

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracies that :data:`CONFIDENCE` does not rule out, by Wilson's score interval (J. Am. Stat. Assoc. 22,
        1927), which stays within 0..1 also for few images and for accuracies near 1."""
        if not self.count:
            return 0.0, 1.0
        z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
        share, weight = self.correct / self.count, z * z / self.count
        middle = (share + weight / 2) / (1 + weight)
        reach = z / (1 + weight) * (share * (1 - share) / self.count + weight / (4 * self.count)) ** 0.5
        return max(middle - reach, 0.0), min(middle + reach, 1.0)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The answers of the deployed model to the images of a split.

    ``images`` uint8 (N, H, W, C); ``labels`` and ``predicted`` int64 (N,), which index ``classes``.
    """

    classes: Sequence[str]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """(true class, predicted class): images."""
        size = len(self.classes)
        return np.bincount(self.labels * size + self.predicted, minlength=size * size).reshape(size, size)

    @cached_property
    def total(self) -> Share:
        """Of all images."""
        return Share("all", int(np.trace(self.confusion)), len(self.labels))

    @cached_property
    def by_class(self) -> list[Share]:
        """Of each class's images, in the order of the classes."""
        counts = self.confusion.sum(axis=1)
        return [Share(name, int(self.confusion[i, i]), int(counts[i])) for i, name in enumerate(self.classes)]

    @cached_property
    def most_frequent(self) -> Share:
        """What answering the most frequent class to everything would get right: chance."""
        largest = max(self.by_class, key=lambda share: share.count)
        return Share(largest.name, largest.count, self.total.count)

    @property
    def near_chance(self) -> bool:
        """Whether the images do not rule out that the model is no better than chance."""
        return self.total.interval[0] <= (self.most_frequent.accuracy or 0.0)

    def confused(self, most: int) -> list[tuple[str, str, int]]:
        """(true class, predicted class, images) of the most frequent mistakes."""
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        pairs = [(-int(wrong[i, j]), int(i), int(j)) for i, j in np.argwhere(wrong)]
        return [(self.classes[i], self.classes[j], -count) for count, i, j in sorted(pairs)[:most]]

    def samples(self, most: int) -> list[int]:
        """One image a class, of up to ``most`` classes, as indices."""
        firsts = [int(np.argmax(self.labels == label)) for label in np.unique(self.labels)]
        return firsts[:most]

    def misclassified(self) -> list[int]:
        """Indices of the images whose class was not recognized."""
        return [int(index) for index in np.flatnonzero(self.labels != self.predicted)]
