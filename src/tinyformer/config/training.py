"""What the sections that train a network have in common: ``train``, ``finetune`` and ``quantization.training``."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from tinyformer.config.base import Section

NotNegative: TypeAlias = Annotated[float, Field(ge=0)]


class TrainingConfig(Section):
    """Length, optimizer and rhythm of a training. Sections that need another default say so."""

    epochs: int = Field(ge=1)
    """Passes over the training images."""

    batch_size: int = Field(ge=1)
    """Images of a step, in each process."""

    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or SGD with Nesterov momentum 0.9."""

    learning_rate: float = Field(gt=0)
    """Peak of the schedule: a linear warm-up, then half a cosine to zero."""

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

    checkpoint_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints within an epoch; null: only at the end of each epoch."""

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        self._require_fewer_than_epochs("warmup_epochs")
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
