# SPDX-License-Identifier: Apache-2.0
"""What kind of code a run consists of: cycle models are off by other amounts for other kinds."""

from __future__ import annotations

from collections.abc import Mapping

from tinyformer.config.mcu import CodeKind

_SHARE = 0.1
"""Of the cycles spent waiting for a memory, of the instructions that are floating-point: from here on they decide."""

_FLASH = ("flash_miss", "instruction_miss")
_SRAM = ("sram_miss", "store")


def code_kind(causes: Mapping[str, int], instructions: int, float_instructions: int) -> CodeKind:
    """The kind of some code by the causes of its cycles and its mixture of instructions."""
    if float_instructions >= _SHARE * instructions > 0:
        return "floating_point"
    flash, sram = (sum(causes[cause] for cause in group) for group in (_FLASH, _SRAM))
    if max(flash, sram) < _SHARE * sum(causes.values()):
        return "compute"
    return "flash" if flash >= sram else "sram"
