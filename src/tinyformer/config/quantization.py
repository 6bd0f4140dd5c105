# SPDX-License-Identifier: Apache-2.0
"""Section ``quantization``: INT8 after training, or with training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tinyformer.config.base import Section
from tinyformer.config.training import DistillationConfig, NotNegative


class QuantizationTrainingConfig(DistillationConfig):
    """Quantization-aware training of weights and ranges, with the float model as the teacher.

    That model is trained already: choose a small ``learning_rate``. By default nothing warms up, decays or is softened.
    """

    warmup_epochs: NotNegative = 0.0
    weight_decay: NotNegative = 0.0
    temperature: float = Field(default=1.0, gt=0)


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
