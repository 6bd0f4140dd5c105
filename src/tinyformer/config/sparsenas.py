"""Section ``sparsenas``: the joint search of architecture and per-layer block sparsity."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tinyformer.config.base import Section


class Limits(Section):
    """What the compiled model may use; null stands for all that the MCU has (``latency_ms``: for no limit)."""

    flash_bytes: int | None = Field(default=None, gt=0)
    """Code, weights and tables of the firmware, in bytes."""

    sram_bytes: int | None = Field(default=None, gt=0)
    """Activation arena and stack, in bytes."""

    latency_ms: float | None = Field(default=None, gt=0)
    """One inference on the MCU, in milliseconds."""


class SparseNasConfig(Section):
    """Evolutionary multi-objective search (NSGA-II) over the trained supernet's sub-networks."""

    limits: Limits = Limits()

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
    """The winner is the fastest candidate whose validation accuracy (a fraction) lies within this of the best one's."""

    evaluation_images: int | None = Field(default=None, ge=1)
    """Validation images of an evaluation (the first ones of the split); null: all of them."""

    batch_size: int = Field(default=128, ge=1)
    """Images of a batch, in recalibration, recovery and evaluation."""

    recalibration_batches: int = Field(default=4, ge=1)
    """Training batches from which BatchNorm statistics are recomputed before every evaluation."""

    pool: Literal["local", "ray"] = "local"
    """Where candidates are evaluated: processes of this machine, or a Ray cluster (extra ``cluster``)."""

    workers: int | None = Field(default=None, ge=1)
    """Evaluation processes; null: one for each usable core. The result does not depend on it."""
