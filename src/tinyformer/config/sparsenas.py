# SPDX-License-Identifier: Apache-2.0
"""Section ``sparsenas``: the joint search of architecture and per-layer block sparsity."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tinyformer.config.base import Section
from tinyformer.config.strategy import StrategyName


class SparseNasConfig(Section):
    """Search over the trained supernet's sub-networks and their block sparsity."""

    strategy: StrategyName = "nsga2"
    """What proposes candidates: multi-objective evolution, random draws, or mutants of the best so far."""

    population: int = Field(default=24, ge=4)
    """Candidates of a generation."""

    generations: int = Field(default=8, ge=0)
    """Generations after the initial population; at most ``population * (generations + 1)`` candidates are evaluated."""

    mutation_rate: float = Field(default=0.15, gt=0, le=1)
    """Chance of each gene (architectural choice, ratio or block shape of a layer) to change in a mutation."""

    crossover_rate: float = Field(default=0.5, ge=0, le=1)
    """Chance that a child mixes two parents before it mutates."""

    patience: int = Field(default=200, ge=1)
    """Candidates in a row that may break the limits while the initial population is drawn, before the search ends."""

    require_transformer: bool = True
    """Whether only networks with at least one transformer block are admitted."""

    accuracy_band: float = Field(default=0.1, gt=0, le=1)
    """Candidates further below the best validation accuracy (a fraction) than this breed only where others lack."""

    accuracy_slack: float = Field(default=0.0, ge=0, lt=1)
    """Candidates whose validation accuracies (fractions) differ by no more than this count as equals, of which the
    fastest wins. Among finalists differences below one standard error never count."""

    finalists: int = Field(default=8, ge=1)
    """Candidates, spread over the front from the fastest to the most accurate, that are fine-tuned a little and then
    compared on all validation images; 1: the winner is chosen by one-shot accuracy."""

    finalist_epochs: float = Field(default=2.0, gt=0)
    """Epochs of sparse training (``sparsity.recovery_lr``, falling to 0) of the last two finalists; each earlier round
    has twice as many for half as long."""

    evaluation_images: int | None = Field(default=None, ge=1)
    """Validation images of an evaluation (the first ones of the split); null: all of them."""

    batch_size: int = Field(default=128, ge=1)
    """Images of a batch, in recalibration, recovery and evaluation."""

    recalibration_batches: int = Field(default=4, ge=1)
    """Training batches from which BatchNorm statistics are recomputed before every evaluation."""

    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """What candidates are evaluated on; ``auto``: a CUDA device where there is one. Accuracies differ a little between
    devices, so that only ``cpu`` gives the same search everywhere."""

    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Arithmetic of evaluations on a CUDA device (Lightning's names); processors always take 32 bits."""
