"""Section ``train``: how the supernet is trained."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tinyformer.config.base import Section


class TrainConfig(Section):
    """Supernet training by weight sharing."""

    epochs: int = Field(ge=1)
    """Passes over the training images."""

    batch_size: int = Field(ge=1)
    """Images of a step, in each process."""

    paths: Literal["single", "sandwich"] = "single"
    """Sub-networks a step trains: one at random (Guo et al., arXiv 1904.00420), or the largest, the smallest and
    ``random_paths`` others (Yu and Huang, arXiv 1903.05134)."""

    random_paths: int = Field(default=2, ge=0)
    """Random sub-networks of a sandwich step."""

    distillation: float = Field(default=1.0, ge=0, le=1)
    """In a sandwich step, the share of the largest path's predictions in what the other paths learn; the rest are
    labels."""

    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or SGD with Nesterov momentum 0.9."""

    learning_rate: float = Field(gt=0)
    """Peak of the schedule: a linear warm-up, then half a cosine to zero."""

    warmup_epochs: float = Field(default=1.0, ge=0)
    """Epochs of linear warm-up; may be a fraction."""

    weight_decay: float = Field(default=0.05, ge=0)
    """Decay of convolution and linear weights (AdamW: decoupled); norms and biases do not decay."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target spread over all classes."""

    gradient_clip: float = Field(default=1.0, ge=0)
    """Largest L2 norm of all gradients together; 0: no limit."""

    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Decay a step of the exponential moving average that becomes the result; null: the last weights are the result."""

    validate_every: int = Field(default=1, ge=1)
    """Epochs between validations; the last epoch is always validated."""

    validation_paths: int = Field(default=2, ge=0)
    """Random sub-networks validated beside the largest and the smallest; the same ones each time."""

    recalibration_batches: int = Field(default=4, ge=1)
    """Training batches from which a path's BatchNorm statistics are recomputed before it is validated."""

    checkpoint_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints within an epoch; null: only at the end of each epoch."""

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs}) must be fewer than epochs ({self.epochs})")
        return self
