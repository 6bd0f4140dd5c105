"""Section ``mcu``: one file a microcontroller under ``conf/mcu``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tinyformer.config.base import Section


class MemoryRegion(Section):
    """A memory of the chip."""

    start: int = Field(ge=0)
    bytes: int = Field(gt=0)
    kind: Literal["flash", "itcm", "dtcm", "sram"]


class McuConfig(Section):
    """A microcontroller as the compiler, the simulator and the search see it."""

    name: str
    core: Literal["cortex-m7", "cortex-m4"]
    clock_hz: int = Field(gt=0)
    memories: dict[str, MemoryRegion]
