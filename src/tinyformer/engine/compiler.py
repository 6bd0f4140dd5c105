"""SparseEngine's front door: from an integer graph to a package of C sources."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.emit import render_package
from tinyformer.engine.emit.c_text import check_identifier, identifier
from tinyformer.engine.flash_fit import lower_within_flash
from tinyformer.engine.layer_report import build_report
from tinyformer.engine.measurement import MeasuredChoice
from tinyformer.engine.normalize import separate_outputs
from tinyformer.engine.optimization import LEVELS, fastest_level
from tinyformer.engine.package_files import write_files
from tinyformer.engine.planner import MemoryPlan
from tinyformer.engine.selection import Choose, Step, flash_budget, sram_budget
from tinyformer.engine.striping import arena_without_scratch, fit_by_stripes
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph

_STRIPING_ROUNDS = 4
"""Attempts to meet the SRAM by stripes, each with a smaller target for the tensors."""


@dataclass(frozen=True)
class CompiledModel:
    """A graph with a kernel for every operator and a place for every tensor."""

    name: str
    graph: Graph
    steps: tuple[Step, ...]
    plan: MemoryPlan
    report: dict[str, Any]
    """Sizes and layers as plain data, the content of ``report.json``."""

    def files(self) -> dict[str, str]:
        """The package: text by path. The same model gives the same bytes."""
        return render_package(self.graph, self.name, self.steps, self.plan, self.report)

    def write(self, directory: Path) -> Path:
        """Write the package to ``directory``, replacing what is there only once all of it is written.

        Raises:
            TinyFormerError: the directory cannot be written, or holds something else than a package.
        """
        if directory.exists() and any(directory.iterdir()) and not (directory / "report.json").is_file():
            raise TinyFormerError(f"{directory} holds files that are no generated package: choose another directory.")
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}.") as scratch:
                fresh = write_files(self.files(), Path(scratch) / "package")
                if directory.exists():
                    shutil.rmtree(directory)
                fresh.replace(directory)
        except OSError as error:
            raise TinyFormerError(f"Cannot write the package to {directory}: {error.strerror or error}.") from error
        return directory


def compile_graph(graph: Graph, mcu: McuConfig, config: EngineConfig, name: str | None = None) -> CompiledModel:
    """Choose kernels, plan the memory and prepare the package of ``graph`` for ``mcu``.

    Args:
        graph: the integer graph.
        mcu: decides the budgets and how much fast memory kernels may use.
        config: encodings, selection, budgets.
        name: prefix of every symbol and name of the files; made from the graph's name if not given.

    Raises:
        TinyFormerError: an operator has no kernel, the name is no C identifier, or SRAM or flash do not suffice; the
            message says how much is needed and how much there is.
    """
    name = identifier(graph.name) if name is None else check_identifier(name)
    graph = separate_outputs(graph)
    first = config.model_copy(update={"optimize": LEVELS[0]}) if config.optimize == "measured" else config
    graph, steps, plan = _lower(graph, mcu, first)
    report = build_report(graph, steps, plan, name=name, mcu=mcu, config=first)
    _check_budgets(name, mcu, config, plan, report)
    model = CompiledModel(name, graph, tuple(steps), plan, report)
    if config.optimize == "measured":
        model = replace(model, report={**report, "optimize": fastest_level(model.files(), mcu, config)})
    return model


def _lower(graph: Graph, mcu: McuConfig, config: EngineConfig) -> tuple[Graph, list[Step], MemoryPlan]:
    """Steps and plan of ``graph``, or of ``graph`` in stripes where the plain plan exceeds the SRAM."""
    best = graph, *lower_within_flash(graph, mcu, config, _chooser(graph, mcu, config))
    budget = target = sram_budget(mcu, config) - config.stack_bytes
    for _ in range(_STRIPING_ROUNDS if config.patching else 0):
        if best[2].arena_bytes <= budget:
            break
        if target <= 0:
            break
        striped = fit_by_stripes(graph, target)
        steps, plan = lower_within_flash(striped, mcu, config, _chooser(striped, mcu, config))
        # What the stripes do not account for is the kernels' scratch.
        target -= plan.arena_bytes - budget
        if plan.arena_bytes < best[2].arena_bytes:
            best = striped, steps, plan
        if arena_without_scratch(striped).arena_bytes > budget:
            break
    return best


def _chooser(graph: Graph, mcu: McuConfig, config: EngineConfig) -> Choose | None:
    """Who decides between kernels: measurement, or None for the order in which packing offers them."""
    return MeasuredChoice(graph, mcu, config) if config.selection == "measured" else None


def _check_budgets(name: str, mcu: McuConfig, config: EngineConfig, plan: MemoryPlan, report: dict[str, Any]) -> None:
    have, need = sram_budget(mcu, config), plan.arena_bytes + config.stack_bytes
    if need > have:
        stripes = ", even in stripes," if config.patching else ""
        widest = max(report["layers"], key=lambda layer: layer["scratch_bytes"] + _bytes_of(layer))
        raise TinyFormerError(
            f"Model {name} needs {need:,} bytes of SRAM ({plan.arena_bytes:,} of arena, {config.stack_bytes:,} of"
            f" stack){stripes} but {mcu.name} has {have:,} for it: make the feature maps around {widest['name']}"
            " smaller."
        )
    have, need = flash_budget(mcu, config), report["constants_bytes"]
    if need > have:
        raise TinyFormerError(
            f"Model {name} needs {need:,} bytes of flash for its constants alone but {mcu.name} has {have:,} for it:"
            " use a smaller or sparser model."
        )


def _bytes_of(layer: dict[str, Any]) -> int:
    total = 0
    for shape in [*layer["inputs"], layer["output"]]:
        size = 1
        for extent in shape:
            size *= extent
        total += size
    return total
