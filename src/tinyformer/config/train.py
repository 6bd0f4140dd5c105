"""Section ``train``: how the supernet is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tinyformer.config.training import NotNegative, TrainingConfig


class TrainConfig(TrainingConfig):
    """Supernet training by weight sharing."""

    weight_decay: NotNegative = 0.05

    paths: Literal["single", "sandwich"] = "single"
    """Sub-networks a step trains: one at random (Guo et al., arXiv 1904.00420), or the largest, the smallest and
    ``random_paths`` others (Yu and Huang, arXiv 1903.05134)."""

    random_paths: int = Field(default=2, ge=0)
    """Random sub-networks of a sandwich step."""

    distillation: float = Field(default=1.0, ge=0, le=1)
    """In a sandwich step, the share of the largest path's predictions in what the other paths learn; the rest are
    labels."""

    validation_paths: int = Field(default=2, ge=0)
    """Random sub-networks validated beside the largest and the smallest; the same ones each time."""

    recalibration_batches: int = Field(default=4, ge=1)
    """Training batches from which a path's BatchNorm statistics are recomputed before it is validated."""
