"""Sparse fine-tuning: a sub-network is pruned, at once or gradually, and what remains learns from labels and a teacher.

Everything random derives from (seed, epoch, step), so that a run killed at any moment and resumed from its checkpoint
ends in the same bytes as one that was not.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from tinyformer.compression.distillation import Run, StudentModule, train_student
from tinyformer.compression.masking import MaskedWeights, Prune
from tinyformer.config.data import DataConfig
from tinyformer.config.finetune import FinetuneConfig
from tinyformer.config.trainer import TrainerConfig
from tinyformer.data.loading import sample_images
from tinyformer.data.splits import Splits
from tinyformer.errors import TinyFormerError
from tinyformer.nets.subnet import Subnet, recalibrate_batchnorm
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.training.callbacks import OnMetrics
from tinyformer.training.checkpoint import run_key
from tinyformer.training.trainer import threads


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
    key = _key(subnet, prune, supernet, data, config, seed)
    with threads(trainer.num_threads):
        student = copy.deepcopy(subnet).train()
        images = sample_images(splits.train, config.recalibration_batches * config.batch_size, seed)
        batches = images.split(config.batch_size)
        recalibrate_batchnorm(student, batches)
        teacher = _teacher(student, supernet, config)
        if teacher is not None and config.teacher == "largest":
            recalibrate_batchnorm(teacher, batches)
        masked = MaskedWeights(student)
        module = StudentModule(student, teacher, masked, config, "finetune", channels_last=trainer.channels_last)
        masks = GradualMasks(masked, student, prune, config.pruning_epochs)
        run = Run(splits, data, trainer, seed, checkpoints, key)
        metrics = train_student(module, config, run, [masks], on_metrics)
    return FinetunedSubnet(student.cpu().eval(), metrics)


class GradualMasks(Callback):
    """Makes the masks anew at the start of each epoch of the pruning phase, then keeps the last ones."""

    def __init__(self, masked: MaskedWeights, student: nn.Module, prune: Prune, epochs: int) -> None:
        self._masked = masked
        self._student = student
        self._prune = prune
        self._epochs = epochs

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Prune more while the phase lasts."""
        if trainer.current_epoch <= self._epochs:
            share = pruning_share(trainer.current_epoch, self._epochs)
            self._masked.set(self._prune(self._student.state_dict(), share))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log how much is masked."""
        masks = self._masked.masks().values()
        total = sum(mask.numel() for mask in masks)
        hidden = sum(int((~mask).sum()) for mask in masks)
        pl_module.log("pruned", hidden / total if total else 0.0)

    def state_dict(self) -> dict[str, Any]:
        """The masks in force."""
        return self._masked.masks()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put saved masks in force."""
        self._masked.set(state_dict)


def pruning_share(epoch: int, epochs: int) -> float:
    """Share of the final sparsity in ``epoch``, 1 from epoch ``epochs`` on: the cubic ramp of Zhu and Gupta, eq. 1."""
    return 1.0 if epoch >= epochs else 1 - (1 - (epoch + 1) / (epochs + 1)) ** 3


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


def _key(
    subnet: Subnet, prune: Prune, supernet: Supernet | None, data: DataConfig, config: FinetuneConfig, seed: int
) -> str:
    """What a checkpoint must share with this run to be continued by it."""
    settings = {
        "spec": subnet.spec.to_dict(),
        "data": data.model_dump(mode="json"),
        "finetune": config.model_dump(mode="json"),
        "seed": seed,
    }
    tensors: list[Mapping[str, Tensor]] = [subnet.state_dict(), prune(subnet.state_dict(), 1.0)]
    if supernet is not None and config.teacher == "largest":
        tensors.append(supernet.state_dict())
    contents = (
        name.encode() + tensor.detach().cpu().numpy().tobytes()
        for mapping in tensors
        for name, tensor in sorted(mapping.items())
    )
    return run_key(settings, *contents)
