# SPDX-License-Identifier: Apache-2.0
"""What a report is made of. All of it is plain data, as it stands in the stages' JSON files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from tinyformer.config.mcu import McuConfig
from tinyformer.report.board import BoardFigures
from tinyformer.report.classification import Evaluation


class ParetoPoint(TypedDict):
    """One evaluated sub-network of the search; further keys (a genome, say) are ignored."""

    accuracy: float
    """On the validation split, 0..1."""
    flash_bytes: float
    sram_bytes: float
    latency_ms: float
    chosen: NotRequired[bool]
    """Whether this is the sub-network that was fine-tuned."""
    front: NotRequired[bool]
    """False for a sub-network that another one dominates; default true."""
    block_sparsity: NotRequired[float]
    label: NotRequired[str]
    """A short description, shown on hover."""


class LayerRow(TypedDict):
    """One executed operator of the compiled model. None where a figure does not apply or was not measured."""

    name: str
    op: str
    output_shape: Sequence[int]
    macs: int | None
    sparsity: float | None
    """Share of weights that are zero, 0..1."""
    encoding: str | None
    flash_bytes: int | None
    cycles: float | None


class ArenaBuffer(TypedDict):
    """``bytes`` at ``offset`` of the arena, in use from step ``first`` to step ``last``, both included."""

    name: str
    offset: int
    bytes: int
    first: int
    last: int


class ArenaPlan(TypedDict):
    """The arena over time; ``steps`` names the steps that ``first`` and ``last`` count."""

    arena_bytes: int
    steps: Sequence[str]
    buffers: Sequence[ArenaBuffer]


@dataclass(frozen=True)
class Origin:
    """Where figures come from."""

    figures: str
    """Which, in words."""
    stage: str
    files: Sequence[tuple[str, str]]
    """(name, address seen from the report) of what the stage left."""


@dataclass(frozen=True)
class ReportInputs:
    """Everything one experiment's report shows; empty collections leave their section out."""

    summary: Mapping[str, Any]
    """The contents of ``summary.json``."""
    mcu: McuConfig
    pareto: Sequence[ParetoPoint] = ()
    training: Mapping[str, Sequence[Mapping[str, float | None]]] = field(default_factory=dict)
    """History by stage title: one mapping an epoch with the key ``epoch`` and any metrics, None where not
    measured; order is kept."""
    layers: Sequence[LayerRow] = ()
    arena: ArenaPlan | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """The resolved configuration, by section."""
    limits: Mapping[str, float | None] = field(default_factory=dict)
    """Budgets by key of the summary (``flash_bytes``, ``sram_bytes``, ``latency_ms``) that replace or add to the MCU's
    own."""
    evaluation: Evaluation | None = None
    """What the deployed model makes of the test split."""
    origins: Sequence[Origin] = ()
    links: Sequence[tuple[str, str]] = ()
    """(words, address seen from the report) of what the experiment made."""
    provenance: str | None = None
    """Address, seen from the report, of the page that says when and where the stages were computed."""
    board: BoardFigures | None = None
    """What a real board has said of the model."""
