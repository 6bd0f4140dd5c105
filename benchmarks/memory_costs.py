# SPDX-License-Identifier: Apache-2.0
"""Cycles that the Cortex-M7 model adds for a miss of the data cache, beside what boards take.

The boards' figures are those of MLPerf Tiny submissions for the STM32F746 and STM32H7A3: their published times less the
model's without any miss, by missed line. Fully connected layers miss in bursts of six lines three cycles apart;
convolutions miss one line at a time.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from tinyformer.config.mcu import McuConfig
from tinyformer.mcu.simulator import SimulationResult, Simulator
from tinyformer.mcu.target import load_mcu
from tinyformer.mcu.toolchain import link_firmware

FIRMWARE = Path(__file__).parent / "firmware"
SOURCES = (FIRMWARE / "layers.c", FIRMWARE / "dot_products.S")
FREE = dict.fromkeys(("data_miss_flash", "data_miss_sram", "data_miss_overlap", "store_miss", "dirty_eviction"), 0)
COUNTED = {**FREE, "data_miss_flash": 1, "data_miss_sram": 1}
"""Loads that miss, and nothing else, cost a cycle."""


@dataclass(frozen=True)
class MissCost:
    """Misses in one kind of layer."""

    layer: str
    memory: str
    board: float
    """Cycles a missed line on boards."""
    model: float = 0.0
    """Cycles a missed line in the model, stores and evictions included as on the boards."""
    misses: int = 0

    @property
    def error(self) -> float:
        """The model's over the boards', less 1."""
        return self.model / self.board - 1


KINDS = (
    MissCost("fully connected", "flash", 11.3),
    MissCost("fully connected", "SRAM", 5.1),
    MissCost("convolution", "flash", 19.4),
    MissCost("convolution", "SRAM", 13.8),
)


def measure(kind: MissCost, directory: Path, mcu: McuConfig) -> MissCost:
    """The cost of ``kind`` in the model of ``mcu``: a run less the same run with misses that cost nothing."""
    defines = [kind.layer.upper().replace(" ", "_"), f"WEIGHTS_{kind.memory.upper()}"]
    elf = link_firmware(SOURCES, [], mcu, directory / "layer.elf", defines)

    def run(**timing: int) -> SimulationResult:
        chip = mcu.model_copy(update={"timing": mcu.timing.model_copy(update=timing)})
        result = Simulator(chip).run(elf)
        if not result.ok:
            raise SystemExit(f"{kind.layer} did not run to its end: {result.reason.name}, {result.fault}")
        return result

    free = run(**FREE)
    misses = _missed_loads(run(**COUNTED)) - _missed_loads(free)  # before the caches are on, loads wait as well
    return replace(kind, model=(run().cycles - free.cycles) / misses, misses=misses)


def _missed_loads(result: SimulationResult) -> int:
    return result.causes["flash_miss"] + result.causes["sram_miss"]


def miss_costs(mcu_name: str = "stm32f746") -> list[MissCost]:
    """All kinds of misses, measured."""
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch:
        return [measure(kind, Path(scratch), load_mcu(mcu_name)) for kind in KINDS]
