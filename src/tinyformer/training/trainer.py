# SPDX-License-Identifier: Apache-2.0
"""The Lightning trainer as the section ``trainer`` describes it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import RichProgressBar

from tinyformer.config.trainer import TrainerConfig
from tinyformer.errors import TinyFormerError
from tinyformer.training.checkpoint_io import SafetensorsCheckpointIO


class ValidateLastEpoch(pl.Callback):
    """Lets validation happen after the last epoch too, whatever the interval."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Shorten the interval when the last epoch begins."""
        if trainer.current_epoch + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1


def build_trainer(
    config: TrainerConfig,
    *,
    epochs: int,
    callbacks: Sequence[pl.Callback],
    key: str,
    gradient_clip: float = 0.0,
    validate_every: int = 1,
    progress_bar: bool = True,
) -> pl.Trainer:
    """A trainer that saves and resumes through safetensors under ``key``; metrics and checkpoints are the callbacks'.

    It validates every ``validate_every`` epochs and after the last one. ``gradient_clip`` bounds the L2 norm of all
    gradients together (0: no bound). Raises :class:`TinyFormerError` where the machine lacks what ``config`` asks for.
    """
    _silence_lightning()
    bar: list[pl.Callback] = [RichProgressBar(leave=False)] if progress_bar else []
    try:
        return pl.Trainer(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy=config.strategy,
            precision=config.precision,
            max_epochs=epochs,
            gradient_clip_val=gradient_clip or None,
            check_val_every_n_epoch=validate_every,
            callbacks=[ValidateLastEpoch(), *callbacks, *bar],
            plugins=[SafetensorsCheckpointIO(key)],
            deterministic="warn" if config.deterministic else False,
            benchmark=False,  # the shapes of random paths never repeat
            use_distributed_sampler=False,  # the batches share themselves out among the processes
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=progress_bar,
        )
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise TinyFormerError(f"The section trainer asks for what this machine cannot do: {error}") from error


def training_device(config: TrainerConfig) -> torch.device:
    """The first device that a trainer of ``config`` uses."""
    wanted = config.accelerator
    if wanted in ("gpu", "cuda") or (wanted == "auto" and torch.cuda.is_available()):
        return torch.device("cuda")
    return torch.device("mps" if wanted == "mps" else "cpu")


def _silence_lightning() -> None:
    """Without the banner about the hardware, and warnings about what is taken care of or not ours."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before the epoch ended")
    warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")  # Lightning's use of torch


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run torch with ``count`` threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
