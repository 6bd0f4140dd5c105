"""One way to run a Lightning training: deterministic, resumable after any interruption, reported epoch by epoch."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar

from tinyformer.config.trainer import TrainerConfig
from tinyformer.errors import TinyFormerError
from tinyformer.training.averaging import WeightAverage
from tinyformer.training.callbacks import EpochSeed, MetricsRecorder, OnMetrics, ValidationRhythm
from tinyformer.training.checkpoint import SafetensorsCheckpointIO
from tinyformer.training.resumption import ResumePoint
from tinyformer.training.segments import Batches, Segments


def fit(
    module: pl.LightningModule,
    train: Batches,
    validation: Batches | None,
    config: TrainerConfig,
    *,
    epochs: int,
    seed: int,
    gradient_clip: float = 0.0,
    validate_every: int = 1,
    resume: ResumePoint | None = None,
    checkpoint_every: int | None = None,
    average: WeightAverage | None = None,
    callbacks: Sequence[Callback] = (),
    on_metrics: OnMetrics | None = None,
) -> dict[str, float]:
    """Train ``module`` for ``epochs`` and return the metrics of the last one (what the module logged).

    With ``resume``, the state is saved after every epoch, or every ``checkpoint_every`` batches (these are then what
    ``trainer.current_epoch`` and ``on_metrics`` count). A run that was interrupted at any moment continues: given the
    same arguments, it ends in the same bytes as an uninterrupted one. For that the module's steps must depend on its
    state, the batches, ``trainer.current_epoch``, ``global_step`` and torch's random numbers only (these are seeded anew
    each epoch). ``callbacks`` may keep state in ``state_dict``; ``average`` is copied into its model at the end. Metrics
    whose names begin with ``val`` are reported for validated epochs only. ``gradient_clip`` bounds the L2 norm of all
    gradients together (0: no bound).

    Raises :class:`TinyFormerError` where the machine lacks what ``config`` asks for, or all checkpoints are damaged.
    """
    segments = Segments(train, checkpoint_every)
    recorder = MetricsRecorder(on_metrics)
    rhythm = ValidationRhythm(validate_every * segments.per_epoch)
    everything = [EpochSeed(seed), rhythm, *callbacks, *([average] if average else []), recorder]
    if resume is not None:
        everything.append(resume)  # last, so that a checkpoint holds what the others did
    trainer = _trainer(config, epochs * segments.per_epoch, gradient_clip, resume.key if resume else "", everything)
    checkpoint = resume.newest() if resume is not None else None
    with _threads(config.num_threads):
        trainer.fit(module, segments, validation, ckpt_path=checkpoint)
    if average is not None:
        average.copy_to_model()
    return recorder.last


def _trainer(
    config: TrainerConfig, epochs: int, gradient_clip: float, key: str, callbacks: list[Callback]
) -> pl.Trainer:
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # no banner about the hardware
    bar: list[Callback] = [RichProgressBar(leave=False)] if config.progress_bar else []
    try:
        return pl.Trainer(
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy=config.strategy,
            precision=config.precision,
            max_epochs=epochs,
            gradient_clip_val=gradient_clip or None,
            callbacks=[*callbacks, *bar],
            plugins=[SafetensorsCheckpointIO(key)],
            enable_progress_bar=config.progress_bar,
            enable_checkpointing=False,
            enable_model_summary=False,
            logger=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,  # the batches share themselves out among the processes
            deterministic="warn",
        )
    except (RuntimeError, ValueError) as error:  # what Lightning raises differs by cause
        raise TinyFormerError(f"The section trainer asks for what this machine cannot do: {error}") from error


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
