# SPDX-License-Identifier: Apache-2.0
"""Sparse fine-tuning: a sub-network is pruned, at once or gradually, and what remains learns from labels and a teacher.

Everything random derives from (seed, epoch, step), so that a run killed at any moment and resumed from its checkpoint
ends in the same bytes as one that was not.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import nn

from tinyformer.compression.masking import MaskedWeights, Prune
from tinyformer.config.data import DataConfig
from tinyformer.config.finetune import FinetuneConfig
from tinyformer.config.runtime import DEFAULT_RUNTIME, RuntimeConfig
from tinyformer.config.trainer import TrainerConfig
from tinyformer.data.normalization import sample_images
from tinyformer.data.splits import Splits
from tinyformer.errors import TinyFormerError
from tinyformer.keys import work_key
from tinyformer.nets.subnet import Subnet, recalibrate_batchnorm
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.training.callbacks import OnMetrics
from tinyformer.training.checkpoint import tensors_digest
from tinyformer.training.student import Run, StudentModule, train_student
from tinyformer.training.trainer import threads, training_device


@dataclass(frozen=True)
class FinetunedSubnet:
    """The exactly sparse sub-network, on the CPU and in eval mode, and the metrics of its last epoch."""

    subnet: Subnet
    metrics: dict[str, float]


def finetune(
    subnet: Subnet,
    prune: Prune,
    splits: Splits,
    data: DataConfig,
    config: FinetuneConfig,
    trainer: TrainerConfig,
    *,
    seed: int,
    checkpoints: Path,
    runtime: RuntimeConfig = DEFAULT_RUNTIME,
    supernet: Supernet | None = None,
    on_metrics: OnMetrics | None = None,
) -> FinetunedSubnet:
    """Prune the dense, trained ``subnet`` (it is left as it is) and fine-tune a copy on the train split.

    ``prune`` makes the masks, of a growing share of the final sparsity if ``config.pruning_epochs`` says so; it is
    asked with share 1 last. ``supernet`` is needed for teacher ``largest``. Checkpoints go to the directory
    ``checkpoints``; a run of the same settings, weights and masks found there is continued (``on_metrics`` then hears
    the earlier epochs again). Metrics of an epoch: ``train_loss``, ``pruned`` (fraction of the masked layers' weights)
    and, where it was validated, ``val_accuracy`` (a fraction). The test split is never read.

    Raises :class:`TinyFormerError` for damaged checkpoints, a machine without what ``trainer`` asks for, masks that do
    not fit, or a diverged loss.
    """
    splits = splits.without_test()
    key = work_key(
        __name__,
        {
            "spec": subnet.spec.to_dict(),
            "data": data.model_dump(mode="json"),
            "finetune": config.model_dump(mode="json"),
            "trainer": trainer.model_dump(mode="json"),
            "seed": seed,
        },
        {
            "images": splits.digest,
            "weights": tensors_digest(subnet.state_dict()),
            "masks": tensors_digest(prune(subnet.state_dict(), 1.0)),
            "supernet": tensors_digest(supernet.state_dict() if supernet and config.teacher == "largest" else {}),
        },
    )
    with threads(trainer.num_threads):
        device = training_device(trainer)
        student = copy.deepcopy(subnet).train().to(device)
        images = sample_images(splits.train, config.recalibration_batches * config.batch_size, seed)
        batches = images.to(device).split(config.batch_size)
        recalibrate_batchnorm(student, batches)
        teacher = _teacher(student, supernet, config)
        if teacher is not None:
            teacher.to(device)
        if teacher is not None and config.teacher == "largest":
            recalibrate_batchnorm(teacher, batches)
        masked = MaskedWeights(student, regrowth=config.regrowth)
        module = StudentModule(student, teacher, masked, config, "finetune", trainer)
        masks = GradualMasks(masked, student, prune, config)
        run = Run(splits, data, trainer, runtime, seed, checkpoints, key)
        metrics = train_student(module, config, run, [masks], on_metrics)
    return FinetunedSubnet(student.cpu().eval(), metrics)


class GradualMasks(Callback):
    """Makes the masks anew every ``pruning_every`` steps of the pruning phase, then keeps the last ones."""

    def __init__(self, masked: MaskedWeights, student: nn.Module, prune: Prune, config: FinetuneConfig) -> None:
        self._masked = masked
        self._student = student
        self._prune = prune
        self._config = config

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Prune more while the phase lasts."""
        batches = int(trainer.num_training_batches)
        every = self._config.pruning_every or batches
        updates = -(-self._config.pruning_epochs * batches // every)
        done, rest = divmod(trainer.global_step, every)
        if rest == 0 and done <= updates:
            self._masked.release()
            self._masked.set(self._prune(self._student.state_dict(), pruning_share(done, updates)))
            if done == updates:
                self._masked.settle()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log how much is masked."""
        masks = self._masked.masks().values()
        total = sum(mask.numel() for mask in masks)
        hidden = sum(int((~mask).sum()) for mask in masks)
        pl_module.log("pruned", hidden / total if total else 0.0)

    def state_dict(self) -> dict[str, Any]:
        """The masks in force, and what is hidden behind them."""
        return {"masks": self._masked.masks(), "shadows": self._masked.shadows()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put saved masks in force."""
        self._masked.restore(state_dict["masks"], state_dict["shadows"])


def pruning_share(update: int, updates: int) -> float:
    """Share of the final sparsity after ``update`` of ``updates`` changes of the masks, 1 from the last on: the cubic
    ramp of Zhu and Gupta, eq. 1."""
    return 1.0 if update >= updates else 1 - (1 - (update + 1) / (updates + 1)) ** 3


def _teacher(student: Subnet, supernet: Supernet | None, config: FinetuneConfig) -> Subnet | None:
    match config.teacher:
        case "none":
            return None
        case "dense":
            return copy.deepcopy(student)
        case "largest":
            if supernet is None:
                raise TinyFormerError(
                    "finetune.teacher is 'largest', but there is no supernet; choose 'dense' or 'none'."
                )
            return extract(supernet, supernet.spec.largest())
