# SPDX-License-Identifier: Apache-2.0
"""What each objective of the compiler costs for one model: ``tinyformer compile --tradeoff``."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinyformer.config.engine import EngineConfig, Objective
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.run.profile import profile_package
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph


@dataclass(frozen=True)
class ObjectiveCost:
    """The figures of a model compiled for one objective, or why it has none."""

    objective: Objective
    cycles: float | None = None
    flash_bytes: int | None = None
    sram_bytes: int | None = None
    problem: str = ""


def objective_costs(
    graph: Graph, mcu: McuConfig, config: EngineConfig, name: str, console: Console
) -> list[ObjectiveCost]:
    """Compile ``graph`` for every objective, simulate one inference of each, and print the figures side by side."""
    costs = []
    for objective in get_args(Objective):
        with console.status(f"Measuring objective {objective}"):
            costs.append(_cost(graph, mcu, config.model_copy(update={"objective": objective}), name))
    fastest = min((cost.cycles for cost in costs if cost.cycles is not None), default=None)
    table = Table("objective", "cycles", "", "flash", "SRAM", box=SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    for cost in costs:
        if cost.cycles is None or fastest is None:
            table.add_row(cost.objective, escape(cost.problem))
        else:
            ratio = f"{cost.cycles / fastest:.3f}x" if fastest else ""
            table.add_row(cost.objective, f"{cost.cycles:,.0f}", ratio, f"{cost.flash_bytes:,}", f"{cost.sram_bytes:,}")
    console.print(table)
    return costs


def _cost(graph: Graph, mcu: McuConfig, config: EngineConfig, name: str) -> ObjectiveCost:
    try:
        compiled = compile_graph(graph, mcu, config, name)
        with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch:
            profile = profile_package(compiled.write(Path(scratch) / "package"), mcu)
    except TinyFormerError as error:
        return ObjectiveCost(config.objective, problem=str(error))
    return ObjectiveCost(config.objective, profile.cycles, profile.flash_bytes, profile.sram_bytes)
