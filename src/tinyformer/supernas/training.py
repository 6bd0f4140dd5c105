"""Training the supernet by weight sharing: single random paths, or the sandwich rule with in-place distillation.

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
from tinyformer.config.train import TrainConfig
from tinyformer.config.trainer import TrainerConfig
from tinyformer.data.loading import sample_images
from tinyformer.data.splits import Split, Splits
from tinyformer.nets.blocks import initialize
from tinyformer.nets.spec import SubnetSpec
from tinyformer.nets.subnet import Subnet, recalibrate_batchnorm
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.nets.supernet_spec import SupernetSpec
from tinyformer.supernas.paths import training_paths, validation_paths
from tinyformer.training.averaging import WeightAverage
from tinyformer.training.callbacks import MetricsRecorder, OnMetrics
from tinyformer.training.checkpoint import run_key
from tinyformer.training.module import TrainingModule
from tinyformer.training.resumption import Checkpoints, ResumableData, newest_checkpoint
from tinyformer.training.trainer import build_trainer, threads

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class TrainedSupernet:
    """The supernet, on the CPU and in eval mode, and the metrics of its last epoch."""

    supernet: Supernet
    metrics: dict[str, float]


def train_supernet(
    spec: SupernetSpec,
    splits: Splits,
    data: DataConfig,
    config: TrainConfig,
    trainer: TrainerConfig,
    *,
    seed: int,
    checkpoints: Path,
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
    key = run_key(
        {
            "spec": spec.to_dict(),
            "data": data.model_dump(mode="json"),
            "train": config.model_dump(mode="json"),
            "seed": seed,
        }
    )
    with threads(trainer.num_threads):
        module = SupernetModule(spec, config, splits.train, seed=seed, channels_last=trainer.channels_last)
        average = WeightAverage(module.supernet, config.ema_decay) if config.ema_decay else None
        recorder = MetricsRecorder(on_metrics)
        lightning = build_trainer(
            trainer,
            epochs=config.epochs,
            callbacks=[*([average] if average else []), recorder, Checkpoints(checkpoints, config.checkpoint_every)],
            key=key,
            gradient_clip=config.gradient_clip,
            validate_every=config.validate_every,
        )
        batches = ResumableData(splits, data, config.batch_size, seed, device=lightning.strategy.root_device)
        lightning.fit(module, datamodule=batches, ckpt_path=newest_checkpoint(checkpoints, key))
        if average:
            average.copy_to(module.supernet)
    return TrainedSupernet(module.supernet.cpu().eval(), recorder.last)


class SupernetModule(TrainingModule[TrainConfig]):
    """One training step, and the validation of paths, as Lightning calls them."""

    def __init__(
        self, spec: SupernetSpec, config: TrainConfig, train: Split, *, seed: int, channels_last: bool
    ) -> None:
        super().__init__(config, "train", channels_last=channels_last)
        self.supernet = Supernet(spec)
        initialize(self.supernet, torch.Generator().manual_seed(seed))
        self.seed = seed
        self._train_split = train
        self._validated: dict[str, Subnet] = {}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of the step's paths, averaged."""
        paths = training_paths(self.supernet.spec, self.settings, self.seed, self.global_step)
        loss = path_loss(self.supernet, paths, self.images(batch[0]), batch[1], self.settings)
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


def path_loss(supernet: Supernet, paths: Sequence[SubnetSpec], x: Tensor, y: Tensor, config: TrainConfig) -> Tensor:
    """Mean loss over ``paths`` of images ``x`` (N, C, H, W) with targets ``y``: labels (N,) or probabilities.

    In a sandwich all but the largest path learn ``config.distillation`` parts of their loss from the largest's
    predictions (Yu and Huang, arXiv 1903.05134).
    """
    first, *others = paths
    teacher = supernet(x, first)
    losses = [F.cross_entropy(teacher, y, label_smoothing=config.label_smoothing)]
    soft = teacher.detach().softmax(dim=1)
    for path in others:
        logits = supernet(x, path)
        hard = F.cross_entropy(logits, y, label_smoothing=config.label_smoothing)
        losses.append(torch.lerp(hard, F.cross_entropy(logits, soft), config.distillation))
    return torch.stack(losses).mean()
