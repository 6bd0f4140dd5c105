# SPDX-License-Identifier: Apache-2.0
"""Resuming: checkpoints while training, the newest sound one afterwards, and batches that continue within an epoch.

Two checkpoints are kept. The newest is renamed before its successor is written, so that at any moment one is whole.
"""

from __future__ import annotations

import logging
import time
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
    """Saves the trainer's state in ``directory`` after every epoch, and every ``every_steps`` batches within one; with
    ``minutes`` after the first batch or epoch that ends so long after the last save.

    A run resumed within an epoch goes on with the batch after the last one trained, provided that its batches are
    :class:`ResumableBatches`. Place it after the callbacks whose work a resumed run must not repeat.
    """

    def __init__(self, directory: Path, every_steps: int | None = None, minutes: float = 0.0) -> None:
        self.directory = directory
        self.every_steps = every_steps
        self.minutes = minutes
        self._saved = time.monotonic()
        self._position = 0
        """Batches of the current epoch that the checkpoint has seen; 0 at its end."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the batches where to go on; Lightning would do so only if nothing had asked for them before."""
        if self._position:
            batches = trainer.train_dataloader
            assert isinstance(batches, ResumableBatches)
            batches.skip(self._position)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save in the midst of an epoch; its last batch is followed by the save at its end."""
        last = batch_idx + 1 == trainer.num_training_batches
        due = self.every_steps and (batch_idx + 1) % self.every_steps == 0
        if not last and (due or (self.minutes and self._is_time())):
            self._save(trainer, batch_idx + 1)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save at the end of an epoch."""
        if not self.minutes or self._is_time():
            self._save(trainer, 0)

    def state_dict(self) -> dict[str, Any]:
        """The position within the epoch."""
        return {"position": self._position}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        self._position = state_dict["position"]

    def _is_time(self) -> bool:
        return time.monotonic() - self._saved >= 60 * self.minutes

    def _save(self, trainer: pl.Trainer, position: int) -> None:
        self._saved = time.monotonic()
        self._position = position
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
    """The batches of an epoch, of which the first may be left out."""

    def __init__(self, batches: EpochBatches) -> None:
        self.batches = batches
        self._skipped = 0

    @property
    def sampler(self) -> EpochBatches:
        """Lightning looks here for ``set_epoch``."""
        return self.batches

    def skip(self, count: int) -> None:
        """Let the next epoch to be iterated start with batch ``count``; later ones are whole."""
        self._skipped = count

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        start, self._skipped = self._skipped, 0  # read when the first batch is asked for
        yield from islice(self.batches, start, None)


class ResumableData(ImageDataModule):
    """The data module with :class:`ResumableBatches` for training."""

    def train_dataloader(self) -> ResumableBatches:  # type: ignore[override]
        """Shuffled and augmented, resumable within the epoch."""
        return ResumableBatches(super().train_dataloader())
