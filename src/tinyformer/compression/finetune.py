"""Sparse fine-tuning: a sub-network is pruned, at once or gradually, and what remains learns from labels and a teacher.

Everything random derives from (seed, epoch, step), so that a run killed at any moment and resumed from its checkpoint
ends in the same bytes as one that was not.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from tinyformer.compression.masking import MaskedWeights, Prune
from tinyformer.config.data import DataConfig
from tinyformer.config.finetune import FinetuneConfig
from tinyformer.config.trainer import TrainerConfig
from tinyformer.data.loading import normalize
from tinyformer.data.splits import Splits
from tinyformer.errors import TinyFormerError
from tinyformer.nets.subnet import Subnet, recalibrate_batchnorm
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.training.averaging import WeightAverage
from tinyformer.training.callbacks import MetricsRecorder, OnMetrics
from tinyformer.training.module import TrainingModule
from tinyformer.training.resumption import Checkpoints, ResumableData, newest_checkpoint
from tinyformer.training.trainer import build_trainer, threads

Batch = tuple[Tensor, Tensor]


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
        batches = _recalibration_images(splits, config, seed)
        recalibrate_batchnorm(student, batches)
        teacher = _teacher(student, supernet, config)
        if teacher is not None and config.teacher == "largest":
            recalibrate_batchnorm(teacher, batches)
        module = FinetuneModule(student, teacher, config, channels_last=trainer.channels_last)
        masking = GradualMasks(module.masked, prune, config.pruning_epochs)
        average = WeightAverage(student, config.ema_decay) if config.ema_decay else None
        recorder = MetricsRecorder(on_metrics)
        saving = Checkpoints(checkpoints, config.checkpoint_every)
        lightning = build_trainer(
            trainer,
            epochs=config.epochs,
            callbacks=[masking, *([average] if average else []), recorder, saving],
            key=key,
            gradient_clip=config.gradient_clip,
            validate_every=config.validate_every,
        )
        training_data = ResumableData(splits, data, config.batch_size, seed, device=lightning.strategy.root_device)
        lightning.fit(module, datamodule=training_data, ckpt_path=newest_checkpoint(checkpoints, key))
        if average:
            average.copy_to(student)
        module.masked.apply()  # the average of a weight that was hidden late is not zero
    return FinetunedSubnet(student.cpu().eval(), recorder.last)


class FinetuneModule(TrainingModule):
    """One masked training step, and validation, as Lightning calls them."""

    def __init__(
        self, student: Subnet, teacher: nn.Module | None, config: FinetuneConfig, *, channels_last: bool
    ) -> None:
        super().__init__(config, "finetune", channels_last=channels_last)
        self.student = student
        self.masked = MaskedWeights(student)
        self._config = config
        self._teacher = [teacher.eval()] if teacher is not None else []  # in a list: neither trained nor saved

    def on_fit_start(self) -> None:
        """Bring the teacher to the training's device."""
        for teacher in self._teacher:
            teacher.to(self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Labels and, where there is one, the teacher."""
        x, y = self.images(batch[0]), batch[1]
        logits = self.student(x)
        loss = F.cross_entropy(logits, y, label_smoothing=self._config.label_smoothing)
        for teacher in self._teacher:
            with torch.no_grad():
                target = teacher(x)
            loss = torch.lerp(
                loss, distillation_loss(logits, target, self._config.temperature), self._config.distillation
            )
        self.log_loss(loss, batch_idx)
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then hide again; before any callback sees the weights."""
        super().optimizer_step(*args, **kwargs)
        self.masked.apply()

    def on_validation_start(self) -> None:
        """The average in the weights' place may hold what was hidden late."""
        self.masked.apply()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the accuracy; Lightning averages over the images."""
        x, y = self.images(batch[0]), batch[1]
        accuracy = (self.student(x).argmax(dim=1) == y).float().mean()
        self.log("val_accuracy", accuracy, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(y))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW or SGD under a warmed-up cosine."""
        return self.optimization(self.student)


class GradualMasks(Callback):
    """Makes the masks anew at the start of each epoch of the pruning phase, then keeps the last ones."""

    def __init__(self, masked: MaskedWeights, prune: Prune, epochs: int) -> None:
        self._masked = masked
        self._prune = prune
        self._epochs = epochs

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Prune more while the phase lasts."""
        if trainer.current_epoch <= self._epochs:
            share = pruning_share(trainer.current_epoch, self._epochs)
            assert isinstance(pl_module, FinetuneModule)
            self._masked.set(self._prune(pl_module.student.state_dict(), share))

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


def distillation_loss(logits: Tensor, target: Tensor, temperature: float) -> Tensor:
    """KL divergence of softened predictions; gradients keep their size whatever the ``temperature`` (Hinton et al.)."""
    predicted, wanted = (values / temperature for values in (logits, target))
    divergence = F.kl_div(
        predicted.log_softmax(dim=1), wanted.log_softmax(dim=1), reduction="batchmean", log_target=True
    )
    return divergence * temperature**2


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


def _recalibration_images(splits: Splits, config: FinetuneConfig, seed: int) -> list[Tensor]:
    rows = np.random.default_rng(seed).permutation(len(splits.train))
    images = normalize(splits.train.images[rows[: config.recalibration_batches * config.batch_size]])
    return list(images.split(config.batch_size))


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
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    tensors: list[Mapping[str, Tensor]] = [subnet.state_dict(), prune(subnet.state_dict(), 1.0)]
    if supernet is not None and config.teacher == "largest":
        tensors.append(supernet.state_dict())
    for name, tensor in (entry for mapping in tensors for entry in sorted(mapping.items())):
        digest.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
