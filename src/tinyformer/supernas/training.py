# SPDX-License-Identifier: Apache-2.0
"""Training the supernet by weight sharing: single random paths, the sandwich rule, or progressive shrinking.

Everything random derives from (seed, epoch, step), so that a run killed at any moment and resumed from its checkpoint
ends in the same bytes as one that was not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from tinyformer.config.data import DataConfig
from tinyformer.config.runtime import DEFAULT_RUNTIME, RuntimeConfig
from tinyformer.config.supernet_training import SupernetTrainingConfig
from tinyformer.config.trainer import TrainerConfig
from tinyformer.data.normalization import sample_images
from tinyformer.data.splits import Split, Splits
from tinyformer.keys import work_key
from tinyformer.nets.blocks import initialize
from tinyformer.nets.spec import SubnetSpec, weighted_layers
from tinyformer.nets.subnet import Subnet, recalibrate_batchnorm
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.nets.supernet_spec import SupernetSpec
from tinyformer.supernas.channel_order import sort_channels
from tinyformer.supernas.largest import absorb, train_largest
from tinyformer.supernas.paths import training_paths, validation_paths
from tinyformer.training.averaging import WeightAverage
from tinyformer.training.callbacks import MetricsRecorder, OnMetrics
from tinyformer.training.cost import BACKWARD, CostStatement
from tinyformer.training.module import TrainingModule
from tinyformer.training.resumption import Checkpoints, ResumableData, newest_checkpoint
from tinyformer.training.student import Run
from tinyformer.training.trainer import build_trainer, threads

Batch = tuple[Tensor, Tensor]

_STEPS = 32
"""Steps by whose paths the cost of a training is estimated."""


@dataclass(frozen=True)
class TrainedSupernet:
    """The supernet, on the CPU and in eval mode, and the metrics of its last epoch."""

    supernet: Supernet
    metrics: dict[str, float]


def train_supernet(
    spec: SupernetSpec,
    splits: Splits,
    data: DataConfig,
    config: SupernetTrainingConfig,
    trainer: TrainerConfig,
    *,
    seed: int,
    checkpoints: Path,
    runtime: RuntimeConfig = DEFAULT_RUNTIME,
    on_metrics: OnMetrics | None = None,
) -> TrainedSupernet:
    """Train ``spec`` on the train split and validate on the validation split; the test split is never read.

    Checkpoints go to the directory ``checkpoints``; a run of the same settings found there is continued
    (``on_metrics`` then hears the earlier epochs again). Metrics of an epoch: ``train_loss`` and, where it was
    validated, ``val_accuracy_<path>`` for the largest, the smallest and some random paths (fractions),
    ``val_accuracy_mean`` over them.

    Raises :class:`TinyFormerError` for damaged checkpoints, a machine without what ``trainer`` asks for, or a
    diverged loss.
    """
    splits = splits.without_test()
    key = work_key(
        __name__,
        {
            "spec": spec.to_dict(),
            "data": data.model_dump(mode="json"),
            "supernet_training": config.model_dump(mode="json"),
            "trainer": trainer.model_dump(mode="json"),
            "seed": seed,
        },
        {"images": splits.digest},
    )
    with threads(trainer.num_threads):
        teacher, epochs_before = None, 0
        if config.largest is not None:
            run = Run(splits, data, trainer, runtime, seed, checkpoints / "largest", key)
            teacher = train_largest(spec.largest(), config.largest, run, on_metrics)
            sort_channels(teacher)
            epochs_before = config.largest.epochs
        module = SupernetModule(spec, config, splits.train, trainer, seed=seed, teacher=teacher)
        average = WeightAverage(module.supernet, config.ema_decay) if config.ema_decay else None
        recorder = MetricsRecorder(_later(on_metrics, epochs_before))
        lightning = build_trainer(
            trainer,
            epochs=config.epochs,
            callbacks=[
                *([average] if average else []),
                recorder,
                *([CostStatement(module.section, module.flop())] if runtime.progress_bar else []),
                Checkpoints(checkpoints, runtime.checkpoint_every, runtime.checkpoint_minutes),
            ],
            key=key,
            gradient_clip=config.gradient_clip,
            validate_every=config.validate_every,
            progress_bar=runtime.progress_bar,
        )
        batches = ResumableData(splits, data, config.batch_size, seed, device=lightning.strategy.root_device)
        lightning.fit(module, datamodule=batches, ckpt_path=newest_checkpoint(checkpoints, key))
        if average:
            average.copy_to(module.supernet)
    return TrainedSupernet(module.supernet.cpu().eval(), recorder.last)


class SupernetModule(TrainingModule[SupernetTrainingConfig]):
    """One training step, and the validation of paths, as Lightning calls them."""

    def __init__(
        self,
        spec: SupernetSpec,
        config: SupernetTrainingConfig,
        train: Split,
        trainer: TrainerConfig,
        *,
        seed: int,
        teacher: Subnet | None = None,
    ) -> None:
        """``teacher`` is the trained largest sub-network, with whose weights training starts."""
        super().__init__(config, "supernet_training", trainer)
        self.supernet = Supernet(spec)
        initialize(self.supernet, torch.Generator().manual_seed(seed))
        self.seed = seed
        self._train_split = train
        self._validated: dict[str, Subnet] = {}
        self._teacher = [teacher.eval()] if teacher is not None else []  # in a list: neither trained nor saved
        if teacher is not None:
            absorb(self.supernet, teacher)

    def flop(self) -> float:
        """Floating-point operations of a step for each image, in the mean over the paths of some steps."""
        spec, settings = self.supernet.spec, self.settings
        steps = [training_paths(spec, settings, self.seed, step, step / _STEPS) for step in range(_STEPS)]
        paths = sum(_forward_flop(path) for step in steps for path in step) / _STEPS
        return (1 + BACKWARD) * paths + sum(_forward_flop(teacher.spec) for teacher in self._teacher)

    def on_fit_start(self) -> None:
        """Bring the teacher to the training's device."""
        for teacher in self._teacher:
            teacher.to(self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of the step's paths, averaged."""
        progress = self.global_step / int(self.trainer.estimated_stepping_batches)
        paths = training_paths(self.supernet.spec, self.settings, self.seed, self.global_step, progress)
        x, soft = self.training_images(batch[0]), None
        for teacher in self._teacher:
            with torch.no_grad():
                soft = teacher(x).softmax(dim=1)
        loss = path_loss(self.supernet, paths, x, batch[1], self.settings, soft)
        self.log_loss(loss, batch_idx)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Extract the validated paths and give them statistics of their own."""
        config = self.settings
        count = config.recalibration_batches * config.batch_size
        images = self.images(sample_images(self._train_split, count, self.seed).to(self.device))
        paths = validation_paths(self.supernet.spec, config, self.seed)
        self._validated = {name: extract(self.supernet, path).to(self.device) for name, path in paths.items()}
        for subnet in self._validated.values():
            recalibrate_batchnorm(subnet, images.split(config.batch_size))
            subnet.eval()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the accuracy of each path; Lightning averages over the images."""
        x, y = self.images(batch[0]), batch[1]
        hits = {name: (subnet(x).argmax(dim=1) == y).float().mean() for name, subnet in self._validated.items()}
        hits["mean"] = torch.stack(list(hits.values())).mean()
        metrics = {f"val_accuracy_{name}": accuracy for name, accuracy in hits.items()}
        self.log_dict(metrics, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(y))

    def on_validation_epoch_end(self) -> None:
        """Forget the extracted networks."""
        self._validated = {}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Over all shared weights."""
        return self.optimization(self.supernet)


def path_loss(
    supernet: Supernet,
    paths: Sequence[SubnetSpec],
    x: Tensor,
    y: Tensor,
    config: SupernetTrainingConfig,
    soft: Tensor | None = None,
) -> Tensor:
    """Mean loss over ``paths`` of images ``x`` (N, C, H, W) with targets ``y``: labels (N,) or probabilities.

    All paths learn ``config.distillation`` parts of their loss from ``soft`` (N, classes), the predictions of the
    trained largest network. Without it all but the first, largest path learn from that one's (Yu and Huang, arXiv
    1903.05134).
    """
    losses: list[Tensor] = []
    for path in paths:
        logits = supernet(x, path)
        loss = F.cross_entropy(logits, y, label_smoothing=config.label_smoothing)
        if soft is not None:
            loss = torch.lerp(loss, F.cross_entropy(logits, soft), config.distillation)
        elif len(paths) > 1:
            soft = logits.detach().softmax(dim=1)
        losses.append(loss)
    return torch.stack(losses).mean()


def _forward_flop(path: SubnetSpec) -> float:
    """Of the weighted layers of ``path``, two a multiply-accumulate."""
    return 2.0 * sum(layer.macs for layer in weighted_layers(path))


def _later(on_metrics: OnMetrics | None, epochs: int) -> OnMetrics | None:
    """``on_metrics`` for a training that follows one of ``epochs``."""
    if on_metrics is None:
        return None
    return lambda metrics, epoch: on_metrics(metrics, epochs + epoch)
