# SPDX-License-Identifier: Apache-2.0
"""The compiler's optimization level by measurement: the whole firmware, built and timed at each level."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig, OptimizationLevel
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.run.elf_sizes import firmware_sizes
from tinyformer.engine.run.firmware import build_firmware, run_firmware
from tinyformer.engine.run.package_files import open_package, write_files
from tinyformer.engine.tune.kernels import IMAGES, cached, tuning_key
from tinyformer.errors import TinyFormerError

LEVELS: tuple[OptimizationLevel, ...] = get_args(OptimizationLevel)


@dataclass(frozen=True)
class LevelCost:
    """Cycles and flash of a firmware, compiled at one level."""

    cycles: float
    """Of one inference."""
    flash_bytes: int


def fastest_level(files: Mapping[str, str], mcu: McuConfig, config: EngineConfig, budget: Budget) -> OptimizationLevel:
    """The level at which the package ``files`` runs fastest on ``mcu``, of those that keep to the flash.

    Among equals the one that takes less flash. Measurements are cached.

    Raises:
        TinyFormerError: the firmware is too large at every level, or fails.
    """
    found: dict[OptimizationLevel, LevelCost] = {}
    complaint: TinyFormerError | None = None
    for level in LEVELS:
        try:
            key = tuning_key(files, mcu, config, level)
            cost = LevelCost(**cached(key, lambda level=level: asdict(_measure(files, mcu, level))))  # type: ignore[misc]
        except TinyFormerError as error:  # the linker's, if code of this level is too large for the flash
            complaint = error
            continue
        if cost.flash_bytes <= budget.flash_bytes:
            found[level] = cost
    if not found:
        raise complaint or TinyFormerError(
            f"The firmware exceeds the {budget.flash_bytes:,} bytes of flash that it may take on {mcu.name} at"
            f" every optimization level ({', '.join(LEVELS)}): use a smaller or sparser model."
        )
    return min(found, key=lambda level: (found[level].cycles, found[level].flash_bytes))


def _measure(files: Mapping[str, str], mcu: McuConfig, level: OptimizationLevel) -> LevelCost:
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch:
        directory = write_files(files, Path(scratch) / "package")
        package = open_package(directory)
        elf = build_firmware(directory, mcu, optimize=level)
        images = np.random.default_rng(0).integers(-128, 128, (IMAGES, *package.input_shape[1:])).astype(np.int8)
        run = run_firmware(elf, mcu, images, directory=directory)
        return LevelCost(run.cycles, firmware_sizes(elf, mcu, package.name).flash_bytes)
