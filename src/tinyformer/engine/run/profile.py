# SPDX-License-Identifier: Apache-2.0
"""Profile of a compiled model: its memory and its speed, measured on its firmware, in the simulator."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from tinyformer.budget import Budget
from tinyformer.config.mcu import CodeKind, McuConfig
from tinyformer.engine.run.elf_sizes import FirmwareSizes, firmware_sizes
from tinyformer.engine.run.firmware import FirmwareRun, build_firmware, run_firmware
from tinyformer.engine.run.package_files import open_package
from tinyformer.errors import TinyFormerError


@dataclass(frozen=True)
class LayerProfile:
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
class FirmwareProfile:
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
    """How the cycles were obtained and by how much they could be off, for whoever quotes them."""

    code_kind: CodeKind
    """What the time mostly goes into."""

    layers: list[LayerProfile]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def profile_firmware(elf: Path, mcu: McuConfig, run: FirmwareRun, *, directory: Path) -> FirmwareProfile:
    """Sizes of the firmware ``elf`` of the package in ``directory``, and cycles of its ``run``."""
    package = open_package(directory)
    report = package.report
    sizes = firmware_sizes(elf, mcu, package.name)
    timed = run.cycles > 0
    return FirmwareProfile(
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
        cycles_source=f"simulated {mcu.name}, {mcu.validation} cycle model; {run.result.uncertainty}"
        if timed
        else "not measured",
        code_kind=run.result.kind,
        layers=_layers(report, sizes, run),
    )


def _layers(report: dict[str, Any], sizes: FirmwareSizes, run: FirmwareRun) -> list[LayerProfile]:
    known = {field.name for field in fields(LayerProfile)}
    return [
        LayerProfile(
            **{key: value for key, value in layer.items() if key in known - {"flash_bytes", "cycles"}},
            flash_bytes=sizes.layers.get(layer["index"], 0),
            cycles=round(run.layer_cycles.get(layer["index"], 0.0), 1),
        )
        for layer in report["layers"]
    ]


def profile_package(directory: Path, mcu: McuConfig, images: int = 1) -> FirmwareProfile:
    """Build the firmware of the package in ``directory`` and measure it on random images in the simulator.

    Raises:
        TinyFormerError: the firmware does not fit the microcontroller, or fails.
    """
    shape = open_package(directory).input_shape
    values = np.random.default_rng(0).integers(-128, 128, (images, *shape), np.int8)
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch:
        elf = build_firmware(directory, mcu, Path(scratch) / "firmware.elf")
        return profile_firmware(elf, mcu, run_firmware(elf, mcu, values, directory=directory), directory=directory)


def check_budget(metrics: FirmwareProfile, mcu: McuConfig, budget: Budget) -> None:
    """Raise :class:`TinyFormerError` if the firmware takes more flash or SRAM than it may."""
    for memory, need, have in (
        ("flash", metrics.flash_bytes, budget.flash_bytes),
        ("SRAM", metrics.sram_bytes, budget.sram_bytes),
    ):
        if need > have:
            raise TinyFormerError(
                f"The firmware needs {need:,} bytes of {memory} but may take {have:,} on {mcu.name}:"
                " use a smaller or sparser model."
            )
