# SPDX-License-Identifier: Apache-2.0
"""Training a student from labels and a teacher: what sparse fine-tuning and quantization-aware training share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from tinyformer.config.data import DataConfig
from tinyformer.config.runtime import RuntimeConfig
from tinyformer.config.trainer import TrainerConfig
from tinyformer.config.training import DistillationConfig
from tinyformer.data.splits import Splits
from tinyformer.training.averaging import WeightAverage
from tinyformer.training.callbacks import MetricsRecorder, OnMetrics
from tinyformer.training.cost import BACKWARD, CostStatement, forward_flop
from tinyformer.training.module import TrainingModule
from tinyformer.training.resumption import Checkpoints, ResumableData, newest_checkpoint
from tinyformer.training.trainer import build_trainer

Batch = tuple[Tensor, Tensor]


class Zeros(Protocol):
    """Weights that must stay zero."""

    def apply(self) -> None:
        """Make them zero again, after a step."""

    def release(self) -> None:
        """Before a step: let it start from what the weights would be, were they not hidden."""

    def hide(self) -> None:
        """Make them zero in whatever weights are in the model's place now."""


class NoZeros:
    """Every weight is free."""

    def apply(self) -> None:
        """Nothing."""

    def release(self) -> None:
        """Nothing."""

    def hide(self) -> None:
        """Nothing."""


class StudentModule(TrainingModule[DistillationConfig]):
    """One training step, after which ``zeros`` are zero again, and validation, as Lightning calls them."""

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module | None,
        zeros: Zeros,
        settings: DistillationConfig,
        section: str,
        trainer: TrainerConfig,
    ) -> None:
        super().__init__(settings, section, trainer)
        self.student = student
        self._zeros = zeros
        self._teacher = [teacher.eval()] if teacher is not None else []  # in a list: neither trained nor saved
        self._forward: list[Callable[[Tensor], Tensor]] = [_compiled(student) if trainer.compile else student]
        self._target = [_compiled(model) if trainer.compile else model for model in self._teacher]

    def flop(self, image: Tensor) -> float:
        """Floating-point operations of a step for each image: the student's both ways, the teacher's forward."""
        student, *teachers = (forward_flop(model, image.to(_device(model))) for model in (self.student, *self._teacher))
        return (1 + BACKWARD) * student + sum(teachers)

    def on_fit_start(self) -> None:
        """Bring the teacher to the training's device."""
        for teacher in self._teacher:
            teacher.to(self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Labels and, where there is one, the teacher."""
        settings = self.settings
        x, y = self.training_images(batch[0]), batch[1]
        logits = self._forward[0](x)
        loss = F.cross_entropy(logits, y, label_smoothing=settings.label_smoothing)
        for teacher in self._target:
            with torch.no_grad():
                target = teacher(x)
            loss = torch.lerp(loss, distillation_loss(logits, target, settings.temperature), settings.distillation)
        self.log_loss(loss, batch_idx)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """After the backward pass: the step is the hidden weights', too, if they may grow again."""
        self._zeros.release()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then restore the zeros; before any callback sees the weights."""
        super().optimizer_step(*args, **kwargs)
        self._zeros.apply()

    def on_validation_start(self) -> None:
        """The average in the weights' place may hold what became zero late."""
        self._zeros.hide()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the accuracy; Lightning averages over the images."""
        x, y = self.images(batch[0]), batch[1]
        accuracy = (self.student(x).argmax(dim=1) == y).float().mean()
        self.log("val_accuracy", accuracy, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(y))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Over all of the student's weights."""
        return self.optimization(self.student)


@dataclass(frozen=True)
class Run:
    """How and where a student is trained: data, hardware, and what identifies the run."""

    splits: Splits
    data: DataConfig
    trainer: TrainerConfig
    runtime: RuntimeConfig
    seed: int
    checkpoints: Path
    key: str
    """Hash of all that determines the result; a checkpoint of another key is not resumed."""


def train_student(
    module: StudentModule,
    settings: DistillationConfig,
    run: Run,
    callbacks: Sequence[Callback] = (),
    on_metrics: OnMetrics | None = None,
) -> dict[str, float]:
    """Train from the newest checkpoint if there is one, and return the last epoch's metrics.

    What is trained on is the train split, with ``settings.all_images`` the validation images, too. The student ends
    with its averaged weights if ``settings.ema_decay`` says so, its zeros restored.
    """
    average = WeightAverage(module.student, settings.ema_decay) if settings.ema_decay else None
    recorder = MetricsRecorder(on_metrics)
    size = run.splits.image_size
    image = torch.zeros(1, run.splits.channels, size, size)
    cost = [CostStatement(module.section, module.flop(image))] if run.runtime.progress_bar else []
    lightning = build_trainer(
        run.trainer,
        epochs=settings.epochs,
        callbacks=[
            *callbacks,
            *cost,
            *([average] if average else []),
            recorder,
            Checkpoints(run.checkpoints, run.runtime.checkpoint_every, run.runtime.checkpoint_minutes),
        ],
        key=run.key,
        gradient_clip=settings.gradient_clip,
        validate_every=settings.validate_every,
        progress_bar=run.runtime.progress_bar,
    )
    splits = run.splits.with_validation_images() if settings.all_images else run.splits
    batches = ResumableData(splits, run.data, settings.batch_size, run.seed, device=lightning.strategy.root_device)
    lightning.fit(module, datamodule=batches, ckpt_path=newest_checkpoint(run.checkpoints, run.key))
    if average:
        average.copy_to(module.student)
        module.on_validation_start()
    return recorder.last


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _compiled(model: nn.Module) -> Callable[[Tensor], Tensor]:
    compiled: Callable[[Tensor], Tensor] = torch.compile(model, dynamic=False)
    return compiled


def distillation_loss(logits: Tensor, target: Tensor, temperature: float) -> Tensor:
    """KL divergence of softened predictions; gradients keep their size whatever the ``temperature``.

    Hinton et al., arXiv 1503.02531, section 2.
    """
    predicted, wanted = (values / temperature for values in (logits, target))
    divergence = F.kl_div(
        predicted.log_softmax(dim=1), wanted.log_softmax(dim=1), reduction="batchmean", log_target=True
    )
    return divergence * temperature**2
