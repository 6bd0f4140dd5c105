# SPDX-License-Identifier: Apache-2.0
"""Settings shared by all trainings: ``supernet_training``, ``finetune`` and ``quantization.training``."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from tinyformer.config.base import Section

NotNegative: TypeAlias = Annotated[float, Field(ge=0)]


class TrainingConfig(Section):
    """Length, optimizer and rhythm of a training. Sections that need another default say so."""

    epochs: int = Field(ge=1, le=100_000)
    """Passes over the training images."""

    batch_size: int = Field(ge=1)
    """Images of a step, in each process."""

    optimizer: Literal["adamw", "sgd", "muon"] = "adamw"
    """AdamW; SGD with Nesterov momentum 0.9; or Muon for convolution and linear weights (it scales them itself, so that
    ``weight_decay`` does not concern them), with SGD and momentum 0.85 for the rest."""

    learning_rate: float = Field(gt=0, le=100)
    """Peak of the schedule."""

    head_learning_rate: float | None = Field(default=None, gt=0, le=100)
    """Peak for the weights of the classifier; null: ``learning_rate``."""

    vector_learning_rate: float | None = Field(default=None, gt=0, le=100)
    """Peak for biases, norms and ranges; null: ``learning_rate``."""

    schedule: Literal["cosine", "linear"] = "cosine"
    """How the rate falls to zero after a linear warm-up: half a cosine, or a line (a triangle if the warm-up is
    long)."""

    first_image_size: int | None = Field(default=None, ge=8)
    """Side in pixels that images are scaled down to in the first epochs (progressive resizing); null: never."""

    first_image_size_epochs: int = Field(default=0, ge=0)
    """Epochs at ``first_image_size``."""

    warmup_epochs: NotNegative = 1.0
    """Epochs of linear warm-up; may be a fraction."""

    weight_decay: NotNegative = 0.02
    """Decay of convolution and linear weights (AdamW: decoupled); norms, biases and ranges do not decay."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target spread over all classes."""

    gradient_clip: NotNegative = 1.0
    """Largest L2 norm of all gradients together; 0: no limit."""

    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Decay a step of the exponential moving average that becomes the result; null: the last weights are the result."""

    validate_every: int = Field(default=1, ge=1)
    """Epochs between validations; the last epoch is always validated."""

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        self._require_fewer_than_epochs("warmup_epochs")
        self._require_fewer_than_epochs("first_image_size_epochs")
        return self

    def _require_fewer_than_epochs(self, name: str) -> None:
        """Raise ``ValueError`` where the phase ``name`` lasts as long as the training or longer."""
        if getattr(self, name) >= self.epochs:
            raise ValueError(f"{name} ({getattr(self, name)}) must be fewer than epochs ({self.epochs})")


class DistillationConfig(TrainingConfig):
    """Training of a student from labels and, where there is one, a teacher."""

    distillation: float = Field(default=0.5, ge=0, le=1)
    """Share of the teacher's predictions in the loss (Hinton et al., arXiv 1503.02531); the rest are labels."""

    temperature: float = Field(default=2.0, gt=0)
    """Softening of teacher's and student's predictions before they are compared."""

    all_images: bool = False
    """Train on the validation images, too: for the last training, once nothing is chosen by them any more (what is
    then reported as their accuracy is that of training images)."""
