"""What a compiled model takes and how fast it is: measured on its firmware, in the simulator."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import CompiledModel
from tinyformer.engine.elf_sizes import FirmwareSizes, firmware_sizes
from tinyformer.engine.firmware import FirmwareRun, build_firmware, run_firmware
from tinyformer.engine.package_files import open_package
from tinyformer.engine.selection import flash_budget, sram_budget
from tinyformer.errors import TinyFormerError


@dataclass(frozen=True)
class LayerMetrics:
    """One layer of the compiled model; the names are those of ``report.json``."""

    index: int
    name: str
    operator: str
    kernel: str
    encoding: str
    inputs: list[list[int]]
    output: list[int]
    macs: int
    macs_executed: int
    zero_fraction: float
    constants_bytes: int
    scratch_bytes: int
    flash_bytes: int
    """Constants and parameters, without the kernels, which layers share."""

    cycles: float
    """Of one inference."""


@dataclass(frozen=True)
class ModelMetrics:
    """A model on its microcontroller."""

    mcu: str
    flash_bytes: int
    """The whole example firmware."""

    constants_bytes: int
    kernels_bytes: int
    runtime_bytes: int
    sram_bytes: int
    """Arena, stack and variables."""

    arena_bytes: int
    stack_bytes: int
    data_bytes: int
    macs: int
    macs_executed: int
    instructions: float
    cycles: float
    latency_ms: float
    cycles_source: str
    """How the cycles were obtained, for whoever quotes them."""

    layers: list[LayerMetrics]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def measure(elf: Path, mcu: McuConfig, run: FirmwareRun, *, directory: Path) -> ModelMetrics:
    """Sizes of the firmware ``elf`` of the package in ``directory``, and cycles of its ``run``."""
    package = open_package(directory)
    report = package.report
    sizes = firmware_sizes(elf, mcu, package.name)
    timed = run.cycles > 0
    return ModelMetrics(
        mcu=mcu.name,
        flash_bytes=sizes.flash_bytes,
        constants_bytes=sizes.constants_bytes,
        kernels_bytes=sizes.kernels_bytes,
        runtime_bytes=sizes.runtime_bytes,
        sram_bytes=sizes.arena_bytes + run.stack_bytes + sizes.data_bytes,
        arena_bytes=sizes.arena_bytes,
        stack_bytes=run.stack_bytes,
        data_bytes=sizes.data_bytes,
        macs=report["macs"],
        macs_executed=report["macs_executed"],
        instructions=run.instructions,
        cycles=round(run.cycles, 1),
        latency_ms=mcu.milliseconds(run.cycles),
        cycles_source=f"simulated {mcu.name}, {mcu.validation} cycle model" if timed else "not measured",
        layers=_layers(report, sizes, run),
    )


def _layers(report: dict[str, Any], sizes: FirmwareSizes, run: FirmwareRun) -> list[LayerMetrics]:
    known = {field.name for field in fields(LayerMetrics)}
    return [
        LayerMetrics(
            **{key: value for key, value in layer.items() if key in known - {"flash_bytes", "cycles"}},
            flash_bytes=sizes.layers.get(layer["index"], 0),
            cycles=round(run.layer_cycles.get(layer["index"], 0.0), 1),
        )
        for layer in report["layers"]
    ]


def with_measurements(model: CompiledModel, mcu: McuConfig, images: int = 2) -> CompiledModel:
    """``model`` with measured figures in its report and README: built, and run on random images in the simulator.

    Raises:
        TinyFormerError: the firmware does not fit the microcontroller.
    """
    shape = model.graph.tensors[model.graph.input].shape
    values = np.random.default_rng(0).integers(-128, 128, (images, *shape), np.int8)
    with tempfile.TemporaryDirectory() as scratch:
        directory = model.write(Path(scratch) / model.name)
        elf = build_firmware(directory, mcu, Path(scratch) / "firmware.elf")
        metrics = measure(elf, mcu, run_firmware(elf, mcu, values, directory=directory), directory=directory)
    measured = metrics.to_dict()
    return replace(model, report={**model.report, "layers": measured.pop("layers"), "measured": measured})


def check_budgets(metrics: ModelMetrics, mcu: McuConfig, config: EngineConfig) -> None:
    """Raise :class:`TinyFormerError` if the firmware takes more flash or SRAM than it may."""
    for memory, need, have in (
        ("flash", metrics.flash_bytes, flash_budget(mcu, config)),
        ("SRAM", metrics.sram_bytes, sram_budget(mcu, config)),
    ):
        if need > have:
            raise TinyFormerError(
                f"The firmware needs {need:,} bytes of {memory} but {mcu.name} has {have:,} for it:"
                " use a smaller or sparser model."
            )


def write_metrics(metrics: ModelMetrics, path: Path) -> None:
    """Write ``metrics`` as sorted JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(metrics.to_dict(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
