# SPDX-License-Identifier: Apache-2.0
"""What the Lightning modules of all trainings have in common."""

from __future__ import annotations

from typing import Generic, TypeVar

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from tinyformer.config.trainer import TrainerConfig
from tinyformer.config.training import TrainingConfig
from tinyformer.errors import TinyFormerError
from tinyformer.training.schedule import build_optimizer

Settings = TypeVar("Settings", bound=TrainingConfig)


class TrainingModule(pl.LightningModule, Generic[Settings]):
    """Memory format, optimizer and the epoch's mean loss, which survives a resume within the epoch."""

    def __init__(self, settings: Settings, section: str, trainer: TrainerConfig) -> None:
        """``section`` is the configuration section that error messages name."""
        super().__init__()
        self.settings = settings
        self.section = section
        self._memory_format = torch.channels_last if trainer.channels_last else torch.contiguous_format
        self.register_buffer("loss_sum", torch.zeros((), dtype=torch.float64))

    def images(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in the memory format of the training."""
        return x.to(memory_format=self._memory_format)

    def training_images(self, x: Tensor) -> Tensor:
        """As :meth:`images`, scaled down in the epochs that the settings train on smaller images."""
        size = self.settings.first_image_size
        if size is not None and self.current_epoch < self.settings.first_image_size_epochs:
            x = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)
        return self.images(x)

    def optimization(self, model: nn.Module) -> OptimizerLRScheduler:
        """What ``configure_optimizers`` returns: the settings' optimizer under its schedule, advanced every step."""
        settings = self.settings
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = settings.warmup_epochs * steps / settings.epochs
        optimizer, schedule = build_optimizer(model, settings, steps, warmup)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def log_loss(self, loss: Tensor, batch_idx: int) -> None:
        """Log the epoch's mean loss as ``train_loss`` with its last batch.

        The sum is a buffer, because it must survive a resume within the epoch and what Lightning averages does not.
        Raises :class:`TinyFormerError` if the loss is not a number.
        """
        loss_sum: Tensor = self.get_buffer("loss_sum")
        if batch_idx == 0:
            loss_sum.zero_()
        loss_sum += loss.detach()
        batches = int(self.trainer.num_training_batches)
        if batch_idx + 1 == batches:
            mean = loss_sum / batches
            if not torch.isfinite(mean):
                raise TinyFormerError(
                    f"Training diverged in epoch {self.current_epoch + 1} (its loss is not a number); lower "
                    f"{self.section}.learning_rate ({self.settings.learning_rate}) or set "
                    f"{self.section}.gradient_clip."
                )
            self.log("train_loss", mean.float(), on_step=False, on_epoch=True, sync_dist=True)
