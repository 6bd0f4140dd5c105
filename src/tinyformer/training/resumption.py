"""Resuming: checkpoints while training, the newest sound one afterwards, and batches that continue within an epoch.

Two checkpoints are kept. The newest is renamed before its successor is written, so that at any moment one is whole.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from tinyformer.data.datamodule import ImageDataModule
from tinyformer.data.loading import EpochBatches
from tinyformer.errors import TinyFormerError
from tinyformer.training.checkpoint import checkpoint_key, load_checkpoint

_NEWEST = "newest.safetensors"
_PREVIOUS = "previous.safetensors"
_logger = logging.getLogger(__name__)


class Checkpoints(pl.Callback):
    """Saves the trainer's state in ``directory`` after every epoch, and every ``every_steps`` batches within one.

    Place it after the callbacks whose work a resumed run must not repeat.
    """

    def __init__(self, directory: Path, every_steps: int | None = None) -> None:
        self.directory = directory
        self.every_steps = every_steps

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save in the midst of an epoch; its last batch is followed by the save at its end."""
        last = batch_idx + 1 == trainer.num_training_batches
        if self.every_steps and (batch_idx + 1) % self.every_steps == 0 and not last:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save at the end of an epoch."""
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        newest = self.directory / _NEWEST
        if trainer.is_global_zero and newest.exists():
            newest.replace(self.directory / _PREVIOUS)
        trainer.save_checkpoint(newest)


def newest_checkpoint(directory: Path, key: str) -> Path | None:
    """The newest sound checkpoint of the run ``key`` in ``directory``; None if there is none to resume from.

    A damaged one is named in a warning and its predecessor used. Raises :class:`TinyFormerError` if all are damaged,
    so that the loss of a long training is never silent.
    """
    damaged: TinyFormerError | None = None
    for name in (_NEWEST, _PREVIOUS):
        path = directory / name
        if not path.exists():
            continue
        try:
            if checkpoint_key(path) == key:
                load_checkpoint(path)
                if damaged is not None:
                    _logger.warning("%s Training continues from %s.", damaged, path)
                return path
        except TinyFormerError as error:
            damaged = damaged or error
    if damaged is not None:
        raise damaged
    return None


class ResumableBatches:
    """The batches of an epoch, continued where a checkpoint was taken; Lightning saves and restores the position."""

    def __init__(self, batches: EpochBatches) -> None:
        self.batches = batches
        self._position = 0
        self._start = 0

    @property
    def sampler(self) -> EpochBatches:
        """Lightning looks here for ``set_epoch``."""
        return self.batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        self._position, self._start = self._start, 0
        for batch in islice(self.batches, self._position, None):
            self._position += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Batches delivered in this epoch."""
        return {"position": self._position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next iteration start at the saved position."""
        self._start = state["position"]


class ResumableData(ImageDataModule):
    """The data module with :class:`ResumableBatches` for training."""

    def train_dataloader(self) -> ResumableBatches:  # type: ignore[override]
        """Shuffled and augmented, resumable within the epoch."""
        return ResumableBatches(super().train_dataloader())
