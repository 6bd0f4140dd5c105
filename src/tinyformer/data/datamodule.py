# SPDX-License-Identifier: Apache-2.0
"""The data set as Lightning wants it."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch

from tinyformer.config.data import DataConfig
from tinyformer.data.loading import EpochBatches
from tinyformer.data.splits import Splits


class ImageDataModule(pl.LightningDataModule):
    """Training and validation batches from memory, without worker processes.

    Lightning sets the epoch of the training batches, also after a resume; under DDP each process takes its share of the
    images. The test split is not read.
    """

    def __init__(
        self, splits: Splits, config: DataConfig, batch_size: int, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        """``batch_size`` is per process; ``device`` is where images are kept and augmented (a GPU holds CIFAR-10
        easily)."""
        super().__init__()
        self.splits = splits
        self.config = config
        self.batch_size = batch_size
        self.seed = seed
        self.device = device

    def train_dataloader(self) -> EpochBatches:
        """Shuffled and augmented by ``data.augment``."""
        return EpochBatches(
            self.splits.train,
            self.batch_size,
            augment=self.config.augment,
            classes=len(self.splits.classes),
            seed=self.seed,
            device=self.device,
            **self._share(),
        )

    def val_dataloader(self) -> EpochBatches:
        """In order, unchanged."""
        return EpochBatches(self.splits.val, self.batch_size, device=self.device, **self._share())

    def _share(self) -> dict[str, Any]:
        if self.trainer is None:
            return {}
        return {"rank": self.trainer.global_rank, "world_size": self.trainer.world_size}
