"""Section ``quantization``: INT8 after training, or with training."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tinyformer.config.base import Section


class QuantizationTrainingConfig(Section):
    """Quantization-aware training of weights and ranges, with the float model as the teacher."""

    epochs: int = Field(ge=1)
    """Passes over the training images."""

    batch_size: int = Field(ge=1)
    """Images of a step, in each process."""

    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or SGD with Nesterov momentum 0.9."""

    learning_rate: float = Field(gt=0)
    """Peak of the schedule: a linear warm-up, then half a cosine to zero. Small: the model is trained already."""

    warmup_epochs: float = Field(default=0.0, ge=0)
    """Epochs of linear warm-up; may be a fraction."""

    weight_decay: float = Field(default=0.0, ge=0)
    """Decay of convolution and linear weights (AdamW: decoupled); norms, biases and ranges do not decay."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target spread over all classes."""

    distillation: float = Field(default=0.5, ge=0, le=1)
    """Share of the float model's predictions in the loss; the rest are labels."""

    temperature: float = Field(default=1.0, gt=0)
    """Softening of both models' predictions before they are compared."""

    gradient_clip: float = Field(default=1.0, ge=0)
    """Largest L2 norm of all gradients together; 0: no limit."""

    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Decay a step of the exponential moving average that becomes the result; null: the last weights are the result."""

    validate_every: int = Field(default=1, ge=1)
    """Epochs between validations; the last epoch is always validated."""

    checkpoint_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints within an epoch; null: only at the end of each epoch."""

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs}) must be fewer than epochs ({self.epochs})")
        return self


class QuantizationConfig(Section):
    """How the ranges of activations are chosen; weights are always symmetric INT8, one scale an output channel."""

    observer: Literal["minmax", "percentile", "mse"] = "mse"
    """An activation's range: all that was observed, all but the outermost values, or the one of least squared error."""

    percentile: float = Field(default=99.99, gt=50, le=100)
    """Share of the observed values in the range, in percent; only for observer ``percentile``."""

    input: Literal["pixel", "observed"] = "pixel"
    """The network's input: scale 1/128 and zero point 0 (pixel - 128), or observed like any other activation."""

    calibration_images: int | None = Field(default=None, ge=1)
    """Images that the ranges are observed on (the first ones of the calibration split); null: all of them."""

    batch_size: int = Field(default=64, ge=1)
    """Images that run through the float model at once."""

    bias_correction: bool = True
    """Whether biases make up for the mean error that rounding the weights causes (Nagel et al., arXiv 1906.04721)."""

    training: QuantizationTrainingConfig | None = None
    """Quantization-aware training before the model is written; null: none, the ranges are observed only."""
