# SPDX-License-Identifier: Apache-2.0
"""Section ``engine``: how SparseEngine compiles."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tinyformer.config.base import Section

OptimizationLevel = Literal["-O2", "-O3", "-Os"]
"""Of the C compiler."""

Objective = Literal["latency", "sram", "flash", "balanced"]
"""What a model is compiled for."""


class EngineConfig(Section):
    """Choices of the compiler."""

    encoding: Literal["auto", "dense"] = "auto"
    """``auto``: block-sparse where the weights' zero blocks make it pay, layer by layer; ``dense``: never."""

    selection: Literal["estimated", "measured"] = "estimated"
    """Kernels by cost rule, or by measuring every admissible one in the simulator (minutes; results are cached)."""

    objective: Objective = "latency"
    """``latency``: the fastest kernels with all the scratch that they can use; ``sram``: little scratch; ``balanced``:
    half of it; ``flash``: the encodings that store least."""

    optimize: OptimizationLevel | Literal["measured"] = "-O2"
    """Optimization level of the firmware; ``measured``: the fastest on the simulated microcontroller."""

    patching: bool = True
    """Whether the first stage may run patch by patch where the plain plan exceeds the SRAM."""

    stack_bytes: int = Field(default=4096, ge=512)
    """SRAM kept free for the stack when the arena is checked against the microcontroller."""
