# SPDX-License-Identifier: Apache-2.0
"""Whole firmwares, built and timed: what each operator stores and takes in one."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tinyformer.config.engine import EngineConfig, OptimizationLevel
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.emit import render_package
from tinyformer.engine.run.elf_sizes import firmware_sizes
from tinyformer.engine.run.firmware import build_firmware, run_firmware
from tinyformer.engine.run.package_files import open_package, write_files
from tinyformer.engine.schedule.layer_report import build_report
from tinyformer.engine.schedule.patches import origin
from tinyformer.engine.schedule.steps import Schedule
from tinyformer.engine.tune.kernels import IMAGES, cached, tuning_key

_NAME = "variant"
_ROOMY_FLASH = 8 << 20
"""Bytes of the chip on which variants are measured that do not fit the real one."""


@dataclass(frozen=True)
class Variant:
    """A firmware with its operators on certain rungs: bytes of flash; constants, cycles and kernels by operator."""

    flash_bytes: int
    constants: dict[str, int]
    cycles: dict[str, float]
    kernels: dict[str, str]


def measured_variant(schedule: Schedule, mcu: McuConfig, config: EngineConfig, level: OptimizationLevel) -> Variant:
    """The firmware of ``schedule``, built and timed on a chip like ``mcu`` with flash for all of it; cached."""
    files = render_package(schedule, _NAME, build_report(schedule, name=_NAME, mcu=mcu, config=config))
    key = tuning_key(files, mcu, config, f"{level}, by operator")
    return Variant(**cached(key, lambda: asdict(_measure(schedule, files, mcu, level))))


def _measure(schedule: Schedule, files: Mapping[str, str], mcu: McuConfig, level: OptimizationLevel) -> Variant:
    roomy = _with_roomy_flash(mcu)
    graph = schedule.graph
    images = np.random.default_rng(0).integers(-128, 128, (IMAGES, *graph.tensors[graph.input].shape[1:]), np.int8)
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch:
        directory = write_files(files, Path(scratch) / _NAME)
        elf = build_firmware(directory, roomy, optimize=level)
        run = run_firmware(elf, roomy, images, directory=directory)
        flash_bytes = firmware_sizes(elf, roomy, open_package(directory).name).flash_bytes
    constants: dict[str, int] = {}
    cycles: dict[str, float] = {}
    kernels: dict[str, str] = {}
    for index, step in enumerate(schedule.layers):
        operator = origin(step.op.name)
        constants[operator] = max(constants.get(operator, 0), step.implementation.constant_bytes)  # patches share them
        cycles[operator] = cycles.get(operator, 0.0) + run.layer_cycles[index]
        kernels[operator] = step.implementation.kernel
    return Variant(flash_bytes, constants, cycles, kernels)


def _with_roomy_flash(mcu: McuConfig) -> McuConfig:
    memories = {
        name: region.model_copy(update={"bytes": max(region.bytes, _ROOMY_FLASH)}) if region is mcu.flash else region
        for name, region in mcu.memories.items()
    }
    return mcu.model_copy(update={"memories": memories})


def of_common_operators(variants: Sequence[Variant]) -> list[Variant]:
    """Without the operators that need no call in some of them: copies that other places in the arena save."""
    common = [name for name in variants[0].kernels if all(name in variant.kernels for variant in variants)]
    return [
        Variant(
            variant.flash_bytes,
            {name: variant.constants[name] for name in common},
            {name: variant.cycles[name] for name in common},
            {name: variant.kernels[name] for name in common},
        )
        for variant in variants
    ]
