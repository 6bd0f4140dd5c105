# SPDX-License-Identifier: Apache-2.0
"""What a simulation tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from tinyformer.config.mcu import CodeKind


class StopReason(Enum):
    """Why a simulation ended; the values are those of the core (``host_io.hpp``)."""

    EXIT = 1
    """The program ended itself (semihosting or ITM)."""
    INSTRUCTION_LIMIT = 2
    FAULT = 3
    LOCKUP = 4
    """The program waits for ever: a branch to itself or WFI, and no interrupt that could come."""
    INPUT_EXHAUSTED = 5
    """The program waits for input, and all that was given is used up."""
    OUTPUT_MATCHED = 6
    """The text to stop at was printed."""
    RESET = 7
    """The program asked for a reset of the chip."""
    OUTPUT_LIMIT = 8
    """The program printed more than is kept."""
    INTERRUPTED = 9
    """Whoever ran the simulation ended it."""


@dataclass(frozen=True)
class Fault:
    """What went wrong, and where."""

    kind: str
    address: int
    """Of the access; of the instruction itself where that is at fault."""
    pc: int
    lr: int
    function: str | None
    """The function at ``pc``, or the caller where ``pc`` lies outside the program."""
    line: str | None
    """``file:line`` if the image has debug information."""

    def __str__(self) -> str:
        place = f"{self.function or 'unknown function'} ({self.line})" if self.line else self.function
        return f"{self.kind} at address {self.address:#010x}, pc {self.pc:#010x} in {place or 'unknown code'}"


@dataclass(frozen=True)
class Cost:
    """Cycles, instructions, and the cycles by cause (they add up to ``cycles``)."""

    cycles: int
    instructions: int
    causes: dict[str, int]


@dataclass(frozen=True)
class FunctionCost(Cost):
    """Cost of a function's own code, without the functions it calls."""

    name: str


@dataclass(frozen=True)
class LayerCost(Cost):
    """Cost of one execution of a layer, with everything it calls."""

    name: str
    layer: int


@dataclass(frozen=True)
class RegionCost(Cost):
    """Cost of a region between two marks of the program (ITM ports 1 and 2)."""

    region: int


@dataclass(frozen=True)
class CacheStatistics:
    """Accesses of a cache, counted in lines."""

    hits: int
    misses: int
    evictions: int


@dataclass(frozen=True)
class SimulationResult:
    """The outcome of `Simulator.run`."""

    mcu: str
    mode: str
    reason: StopReason
    exit_code: int
    """The program's status, or 1 if it did not end by itself."""
    stdout: bytes
    """Everything printed: semihosting, ITM and serial ports."""
    cycles: int
    """0 in functional mode."""
    instructions: int
    milliseconds: float
    validation: str
    """How far the cycle model is checked against boards (see `McuConfig.validation`)."""
    kind: CodeKind
    """What the time mostly went into."""
    uncertainty: str
    """By how much the cycles could be off for code of this kind."""
    causes: dict[str, int]
    functions: list[FunctionCost]
    """Most expensive first."""
    layers: list[LayerCost]
    """In order of execution; a layer appears once for each time it ran."""
    regions: list[RegionCost]
    instruction_cache: CacheStatistics
    data_cache: CacheStatistics
    branches: int
    branches_mispredicted: int
    stack_bytes: int
    """High-water mark of the stack."""
    seconds: float
    """Processor time that the simulation took."""
    fault: Fault | None = None
    unknown_accesses: int = 0
    """Accesses whose address the cycle model did not know; it took them for hits."""
    wrong_accesses: int = 0
    """Only counted with ``check_accesses``: addresses that differ from the emulator's."""
    checked_accesses: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the program ended by itself with status 0 (or printed the text to stop at)."""
        return self.exit_code == 0 and self.reason in (StopReason.EXIT, StopReason.OUTPUT_MATCHED)

    @property
    def text(self) -> str:
        """`stdout` as text."""
        return self.stdout.decode("utf-8", errors="replace")

    @property
    def mips(self) -> float:
        """Speed of the simulation in million instructions per second."""
        return self.instructions / self.seconds / 1e6 if self.seconds else 0.0

    def layer_cycles(self) -> dict[str, int]:
        """Cycles by layer function, summed over its executions."""
        cycles: dict[str, int] = {}
        for layer in self.layers:
            cycles[layer.name] = cycles.get(layer.name, 0) + layer.cycles
        return cycles
