"""Checkpoints while training, and the newest sound one afterwards.

Two are kept: the newest becomes the previous before its successor is written, so that one that was damaged later (a full
disk, a bad copy) costs an epoch and not the run.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from tinyformer.errors import TinyFormerError
from tinyformer.training.checkpoint import checkpoint_key, load_checkpoint

_NEWEST = "newest.safetensors"
_PREVIOUS = "previous.safetensors"
_logger = logging.getLogger(__name__)


class ResumePoint(Callback):
    """Saves the trainer's state in ``directory`` at the end of each epoch.

    ``key`` identifies the run (a hash of its configuration and inputs); checkpoints of other runs are overwritten.
    """

    def __init__(self, directory: Path, key: str) -> None:
        self.key = key
        self._newest = directory / _NEWEST
        self._previous = directory / _PREVIOUS

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write a checkpoint."""
        if trainer.is_global_zero and self._newest.exists():
            self._newest.replace(self._previous)
        trainer.save_checkpoint(self._newest)

    def newest(self) -> Path | None:
        """The newest sound checkpoint of this run; None if there is none to resume from.

        A damaged one is named in a warning and its predecessor used. Raises :class:`TinyFormerError` if there are
        only damaged ones, so that the loss of a long training is never silent.
        """
        damaged: TinyFormerError | None = None
        for path in (self._newest, self._previous):
            if not path.exists():
                continue
            try:
                if checkpoint_key(path) == self.key:
                    load_checkpoint(path)
                    if damaged is not None:
                        _logger.warning("%s Training continues from %s.", damaged, path)
                    return path
            except TinyFormerError as error:
                damaged = damaged or error
        if damaged is not None:
            raise damaged
        return None
