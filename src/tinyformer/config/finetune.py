"""Section ``finetune``: training a pruned sub-network under its masks."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tinyformer.config.base import Section


class FinetuneConfig(Section):
    """Sparse fine-tuning: masked weights stay exactly zero."""

    epochs: int = Field(ge=1)
    """Passes over the training images."""

    batch_size: int = Field(ge=1)
    """Images of a step, in each process."""

    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or SGD with Nesterov momentum 0.9."""

    learning_rate: float = Field(gt=0)
    """Peak of the schedule: a linear warm-up, then half a cosine to zero."""

    warmup_epochs: float = Field(default=1.0, ge=0)
    """Epochs of linear warm-up; may be a fraction."""

    weight_decay: float = Field(default=0.02, ge=0)
    """Decay of convolution and linear weights (AdamW: decoupled); norms and biases do not decay."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target spread over all classes."""

    gradient_clip: float = Field(default=1.0, ge=0)
    """Largest L2 norm of all gradients together; 0: no limit."""

    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Decay a step of the exponential moving average that becomes the result; null: the last weights are the result."""

    teacher: Literal["none", "dense", "largest"] = "dense"
    """Whose predictions are learnt beside the labels: nobody's, the sub-network's before pruning, or the supernet's
    largest path's."""

    distillation: float = Field(default=0.5, ge=0, le=1)
    """Share of the teacher's predictions in the loss (Hinton et al., arXiv 1503.02531); the rest are labels."""

    temperature: float = Field(default=2.0, gt=0)
    """Softening of teacher's and student's predictions before they are compared."""

    pruning_epochs: int = Field(default=0, ge=0)
    """Epochs in which the masks grow to their final size, steeply first (Zhu and Gupta, arXiv 1710.01878); 0: at
    once."""

    recalibration_batches: int = Field(default=8, ge=1)
    """Training batches from which BatchNorm statistics are recomputed before training starts (teacher and student)."""

    validate_every: int = Field(default=1, ge=1)
    """Epochs between validations; the last epoch is always validated."""

    checkpoint_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints within an epoch; null: only at the end of each epoch."""

    @model_validator(mode="after")
    def _phases_fit(self) -> Self:
        for name in ("warmup_epochs", "pruning_epochs"):
            if getattr(self, name) >= self.epochs:
                raise ValueError(f"{name} ({getattr(self, name)}) must be fewer than epochs ({self.epochs})")
        return self
