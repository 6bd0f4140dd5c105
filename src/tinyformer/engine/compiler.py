# SPDX-License-Identifier: Apache-2.0
"""SparseEngine's front door: from an integer graph to a package of C sources."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.emit import render_package, render_readme, to_json
from tinyformer.engine.emit.c_text import check_identifier, identifier
from tinyformer.engine.emit.selftest import make_selftest
from tinyformer.engine.run.firmware import largest_arena
from tinyformer.engine.run.package_files import open_package, write_files
from tinyformer.engine.run.profile import FirmwareProfile
from tinyformer.engine.schedule.layer_report import build_report
from tinyformer.engine.schedule.steps import Schedule
from tinyformer.engine.tune.flash import fit_flash
from tinyformer.engine.tune.kernels import MeasuredChoice
from tinyformer.engine.tune.levels import LEVELS, fastest_level
from tinyformer.errors import TinyFormerError
from tinyformer.files import replace_file
from tinyformer.ir.graph import Graph


@dataclass(frozen=True)
class CompiledModel:
    """A package to be written: the schedule of a graph under a name."""

    name: str
    schedule: Schedule
    report: dict[str, Any]
    """Sizes and layers as plain data, the content of ``report.json``."""

    def files(self) -> dict[str, str]:
        """The package: text by path. The same model gives the same bytes."""
        return render_package(self.schedule, self.name, self.report, make_selftest(self.schedule.graph))

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


def compile_graph(
    graph: Graph, mcu: McuConfig, config: EngineConfig, name: str | None = None, budget: Budget | None = None
) -> CompiledModel:
    """Choose kernels, plan the memory and prepare the package of ``graph`` for ``mcu``.

    Args:
        graph: the integer graph.
        mcu: decides how much fast memory kernels may use.
        config: encodings, selection, optimization.
        name: prefix of every symbol and name of the files; made from the graph's name if not given.
        budget: flash and SRAM that the model may use; all that ``mcu`` has if not given.

    Raises:
        TinyFormerError: an operator has no kernel, the name is no C identifier, or SRAM or flash do not suffice; the
            message says how much is needed and how much there is.
    """
    name = identifier(graph.name) if name is None else check_identifier(name)
    budget = _in_one_piece(budget or Budget.of(LimitsConfig(), mcu), mcu, config)
    level = LEVELS[0] if config.optimize == "measured" else config.optimize
    first = config.model_copy(update={"optimize": level})
    choose = MeasuredChoice(mcu, first, budget) if config.selection == "measured" else None
    fitted = fit_flash(graph, mcu, first, level, budget, choose)
    report = build_report(fitted.schedule, name=name, mcu=mcu, config=first) | {"optimize": fitted.optimize}
    report["traded_for_flash"] = [asdict(trade) for trade in fitted.trades]
    _check_budget(name, mcu, config, budget, report)
    model = CompiledModel(name, fitted.schedule, report)
    if config.optimize == "measured":
        model = replace(model, report={**report, "optimize": fastest_level(model.files(), mcu, config, budget)})
    return model


def record_profile(directory: Path, profile: FirmwareProfile) -> None:
    """Write the measured figures of the package in ``directory`` into its report and its README.

    Raises:
        TinyFormerError: there is no package, or its files cannot be written.
    """
    measured = profile.to_dict()
    report = {**open_package(directory).report, "layers": measured.pop("layers"), "measured": measured}
    replace_file(directory / "report.json", to_json(report).encode())
    replace_file(directory / "README.md", render_readme(report).encode())


def _in_one_piece(budget: Budget, mcu: McuConfig, config: EngineConfig) -> Budget:
    """``budget`` with no more SRAM than one contiguous arena and the stack can have."""
    largest = largest_arena(mcu, config.stack_bytes) + config.stack_bytes
    return replace(budget, limits={**budget.limits, "sram_bytes": float(min(budget.sram_bytes, largest))})


def _check_budget(name: str, mcu: McuConfig, config: EngineConfig, budget: Budget, report: dict[str, Any]) -> None:
    arena = report["arena_bytes"]
    have, need = budget.sram_bytes, arena + config.stack_bytes
    if need > have:
        patches = ", even in patches," if config.patching else ""
        pieces = ""
        if have == largest_arena(mcu, config.stack_bytes) + config.stack_bytes and have < mcu.sram_bytes:
            pieces = f", because its {mcu.sram_bytes:,} bytes of SRAM lie in several places and the arena is one piece"
        widest = max(report["layers"], key=lambda layer: layer["scratch_bytes"] + _bytes_of(layer))
        raise TinyFormerError(
            f"Model {name} needs {need:,} bytes of SRAM ({arena:,} of arena, {config.stack_bytes:,} of"
            f" stack){patches} but may take {have:,} on {mcu.name}{pieces}: make the feature maps around"
            f" {widest['name']} smaller."
        )
    have, need = budget.flash_bytes, report["constants_bytes"]
    if need > have:
        raise TinyFormerError(
            f"Model {name} needs {need:,} bytes of flash for its constants alone but may take {have:,} on {mcu.name}:"
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
