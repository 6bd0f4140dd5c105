# SPDX-License-Identifier: Apache-2.0
"""Section ``supernet_training``: how the supernet is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tinyformer.config.training import DistillationConfig, NotNegative, TrainingConfig


class SupernetTrainingConfig(TrainingConfig):
    """Supernet training by weight sharing."""

    weight_decay: NotNegative = 0.05

    largest: DistillationConfig | None = None
    """How the largest sub-network is trained alone before weights are shared; null: not at all. It then teaches all
    paths: progressive shrinking (Cai et al., arXiv 1908.09791) spends most of the hours here."""

    paths: Literal["single", "sandwich", "shrinking"] = "single"
    """Sub-networks a step trains: one at random (Guo et al., arXiv 1904.00420); the largest, the smallest and
    ``random_paths`` others (Yu and Huang, arXiv 1903.05134); or the largest and ``random_paths`` others, elastic in
    kernels and depth alone for the first half of the training, then in widths, too (arXiv 1908.09791)."""

    random_paths: int = Field(default=2, ge=0)
    """Random sub-networks of a step that trains several."""

    distillation: float = Field(default=1.0, ge=0, le=1)
    """Share of the largest path's predictions in what the other paths of a step learn (with ``largest``: of its
    predictions in what every path learns); the rest are labels."""

    validation_paths: int = Field(default=2, ge=0)
    """Random sub-networks validated beside the largest and the smallest; the same ones each time."""

    recalibration_batches: int = Field(default=4, ge=1)
    """Training batches from which a path's BatchNorm statistics are recomputed before it is validated."""
