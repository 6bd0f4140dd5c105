# SPDX-License-Identifier: Apache-2.0
"""Batches for torch (Lightning: ``data.datamodule``): deterministic order and augmentation.

Everything random is derived from (seed, epoch, batch) and drawn by NumPy on the host, so that a resumed run, another
number of batches per step or another device sees the same data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from types import SimpleNamespace

import numpy as np
import torch

from tinyformer.config.data import AugmentConfig
from tinyformer.data.augmentation import augment_pixels, mix
from tinyformer.data.normalization import normalize
from tinyformer.data.splits import Split
from tinyformer.data.transfer import to_device

_PARITY = 2**31
"""Stream of the random numbers that say in which epochs an alternating flip mirrors an image."""


class EpochBatches:
    """Batches of one split, shuffled and augmented anew each epoch; iterate after :meth:`set_epoch`.

    Yields (x float32 (B, C, H, W), y): ``y`` holds labels int64 (B,), with mixup or CutMix probabilities float32
    (B, classes); torch's cross-entropy takes both. Without ``augment`` the order is that of the split, every image
    once, the last batch smaller; with it the order is random and the last, incomplete batch is left out (unless it is
    the only one).
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        *,
        augment: AugmentConfig | None = None,
        classes: int | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        """``classes`` is needed for mixup and CutMix. Of ``world_size`` processes, the one of that ``rank`` takes every
        world_size-th image."""
        if augment is not None and (augment.mixup > 0 or augment.cutmix > 0) and classes is None:
            raise ValueError("mixup and cutmix need the number of classes")
        self.images = torch.as_tensor(split.images, device=device)
        self.labels = torch.as_tensor(split.labels, device=device)
        self.batch_size = batch_size
        self.augment = augment
        self.classes = classes
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    @property
    def batch_sampler(self) -> SimpleNamespace:
        """Lightning calls ``batch_sampler.sampler.set_epoch`` before each epoch."""
        return SimpleNamespace(sampler=self)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration delivers."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.augment is None:
            return math.ceil(len(range(self.rank, len(self.labels), self.world_size)) / self.batch_size)
        return max(1, len(self.labels) // self.world_size // self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = self._order()
        for index in range(len(self)):
            yield self._batch(order[index * self.batch_size : (index + 1) * self.batch_size], index)

    def _order(self) -> torch.Tensor:
        count = len(self.labels)
        if self.augment is None:
            order = np.arange(count)
        else:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(count)
            # Processes must agree on the number of batches.
            order = order[: max(count // self.world_size, 1) * self.world_size]
        return torch.as_tensor(order[self.rank :: self.world_size].copy(), device=self.images.device)

    def _batch(self, rows: torch.Tensor, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = self.images[rows], self.labels[rows]
        if self.augment is None:
            return normalize(images), labels
        rng = np.random.default_rng([self.seed, self.epoch, self.rank, index])
        images = augment_pixels(images, self.augment, rng, mirrored=self._mirrored(rows))
        return mix(normalize(images), labels, self.augment, self.classes or 0, rng)

    def _mirrored(self, rows: torch.Tensor) -> torch.Tensor | None:
        """Which images an alternating flip mirrors in this epoch: half of them, the others in the next."""
        if self.augment is None or self.augment.horizontal_flip != "alternating":
            return None
        return ((self._parity + self.epoch) % 2 == 1)[rows]

    @cached_property
    def _parity(self) -> torch.Tensor:
        parity = np.random.default_rng([self.seed, _PARITY]).integers(0, 2, len(self.labels))
        return to_device(parity, self.images.device)
