# SPDX-License-Identifier: Apache-2.0
"""Section ``sparsity``: how much of the weights goes, in which blocks, and how freely layers may differ."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from tinyformer.config.base import Section

Ratio: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Criterion: TypeAlias = Literal["l2", "normalized", "taylor"]
BlockShape: TypeAlias = tuple[Literal[2, 4], Literal[2, 4]]
Compensation: TypeAlias = Literal["none", "least_squares"]


class SparsityConfig(Section):
    """Block sparsity that SparseNAS distributes over the layers and fine-tuning keeps."""

    target: Ratio | Literal["auto"] = 0.5
    """Least fraction of the prunable weights (all but stem, depthwise layers and classifier) in zero blocks; ``auto``:
    as few as flash, SRAM and latency ask for, taken where the loss is estimated to suffer least."""

    block_shapes: tuple[BlockShape, ...] = Field(default=((2, 2),), min_length=1)
    """Admissible blocks as (outputs, inputs), of those that SparseEngine multiplies; the search picks one a layer."""

    ratios: tuple[Ratio, ...] = Field(default=(0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), min_length=1)
    """Block sparsities a layer may have, ascending; the smallest and the largest bound every layer."""

    dense_layers: tuple[str, ...] = ()
    """Shell patterns of layer names that stay dense, e.g. ``*.q``; their weights still count towards ``target``."""

    criterion: Criterion = "l2"
    """What makes a block worth keeping: its L2 norm; that norm after every output row was scaled to one (what a
    following BatchNorm sees); or the squared first-order change of the loss when it goes (weight times gradient)."""

    recovery_steps: int = Field(default=0, ge=0)
    """Masked training steps that SparseNAS grants a pruned candidate, so that it is ranked by what it can recover."""

    recovery_lr: float = Field(default=0.05, gt=0)
    """Peak learning rate of these steps (SGD with Nesterov momentum 0.9), which falls to zero in a line."""

    compensation: Compensation = "none"
    """Whether SparseNAS changes a pruned candidate's kept weights so that each layer's outputs change least (least
    squares on training images), before any recovery steps."""

    compensation_images: int = Field(default=256, ge=1)
    """Training images that this looks at."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if list(self.ratios) != sorted(set(self.ratios)):
            raise ValueError("sparsity.ratios must be ascending and without repetition")
        if self.target != "auto" and self.target > self.ratios[-1]:
            raise ValueError(
                f"sparsity.target {self.target} is out of reach, for the largest of sparsity.ratios is "
                f"{self.ratios[-1]}: lower the target or add a larger ratio"
            )
        return self

    def stays_dense(self, layer: str) -> bool:
        """Whether ``layer`` (a parameter prefix) matches one of ``dense_layers``."""
        return any(fnmatchcase(layer, pattern) for pattern in self.dense_layers)
