# SPDX-License-Identifier: Apache-2.0
"""Section ``finetune``: training a pruned sub-network under its masks."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tinyformer.config.training import DistillationConfig


class FinetuneConfig(DistillationConfig):
    """Sparse fine-tuning: masked weights stay exactly zero."""

    teacher: Literal["none", "dense", "largest"] = "dense"
    """Whose predictions are learnt beside the labels: nobody's, the sub-network's before pruning, or the supernet's
    largest path's."""

    pruning_epochs: int = Field(default=0, ge=0)
    """Epochs in which the masks grow to their final size, steeply first (Zhu and Gupta, arXiv 1710.01878); 0: at
    once."""

    pruning_every: int | None = Field(default=None, ge=1)
    """Steps between two changes of the masks while they grow; null: an epoch."""

    regrowth: bool = False
    """Whether hidden weights are trained on as dense shadows while the masks grow, so that a block pruned too early
    comes back."""

    recalibration_batches: int = Field(default=8, ge=1)
    """Training batches from which BatchNorm statistics are recomputed before training starts (teacher and student)."""

    @model_validator(mode="after")
    def _pruning_ends(self) -> Self:
        self._require_fewer_than_epochs("pruning_epochs")
        return self
