"""Flash, SRAM and latency of a sub-network on a microcontroller, without compiling it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What one sub-network takes on the microcontroller."""

    flash_bytes: int
    sram_bytes: int
    cycles: int
    latency_ms: float
