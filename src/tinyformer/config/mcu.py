# SPDX-License-Identifier: Apache-2.0
"""Section ``mcu``: one file a microcontroller under ``conf/mcu``, on top of its core's and its series' files there.

Everything that the compiler, the linker, the simulator and its cycle model know of a chip is here; the rules that use
the timing constants are explained in ``docs/timing_model.md``.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from tinyformer.config.base import Section

Address = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
Offset = Annotated[int, Field(ge=0, lt=0x400, multiple_of=4)]
Word = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
Cycles = Annotated[int, Field(ge=0)]
MemoryKind = Literal["flash", "itcm", "dtcm", "sram"]
Validation = Literal["calibrated", "held-out checked", "blind", "unvalidated"]
CORES = {"cortex-m4": "single-issue", "cortex-m33": "single-issue", "cortex-m7": "dual-issue"}
"""Cores that the simulator executes, with the cycle model of each."""


class MemoryRegion(Section):
    """A memory of the chip."""

    start: Address
    """Address at which programs are linked."""
    bytes: int = Field(gt=0, multiple_of=1024)
    kind: MemoryKind
    """Tightly coupled memories (``itcm``, ``dtcm``) never wait and are never cached."""
    aliases: tuple[Address, ...] = ()
    """Further addresses of the same memory."""

    @property
    def end(self) -> int:
        """First address past the region."""
        return self.start + self.bytes


class CacheConfig(Section):
    """A cache of the core with lines of 32 bytes."""

    bytes: int = Field(gt=0, multiple_of=1024)
    ways: int = Field(gt=0)


class UartRegisters(Section):
    """Where a serial port has its registers: byte offsets from its base."""

    control: Offset
    """Interrupt enables: bit 5 for a received byte, bits 6 and 7 for a transmitter that is done or has room."""
    status: Offset
    """Flags: bit 5 for a received byte, bits 6 and 7 for a transmitter that is done or has room."""
    receive: Offset
    transmit: Offset
    baud: Offset
    """Baud rate: the bus's clock over the bit rate, in ``divisions`` of one."""
    divisions: Literal[1, 256] = 1
    always_set: Word = 0
    """Further flags of the status that are up whenever they are read."""


class Prescaler(Section):
    """A field of a clock register that divides the clock of a bus, as STM32's code it."""

    address: Address
    shift: int = Field(ge=0, le=31)
    width: Literal[3, 4]
    """3: an APB's, which divides by up to 16; 4: an AHB's, by up to 512."""


class BusConfig(Section):
    """A peripheral bus: its clock is the core's, divided by its prescalers, the bus's own last."""

    prescalers: tuple[Prescaler, ...] = Field(min_length=1)


class DmaConfig(Section):
    """A DMA controller, as far as serial ports use it."""

    base: Address
    kind: Literal["channels", "streams"]
    """Registers and flags like those of the STM32L4 (channels) or of the STM32F4, F7 and H7 (streams)."""
    irqs: tuple[int, ...] = Field(min_length=1, max_length=8)
    """Interrupts of its channels."""


class GpioConfig(Section):
    """Ports of 16 pins each, named PA0 to PA15, PB0, ..., at equal distances."""

    base: Address
    ports: int = Field(gt=0, le=26)

    def port_base(self, index: int) -> int:
        """Address of the registers of port number ``index``."""
        return self.base + 0x400 * index


class UartConfig(Section):
    """A serial port that third-party firmware may use as its console."""

    base: Address
    irq: int = Field(ge=0, lt=240)
    """Number of the interrupt in the vector table, counted from the first external one."""
    bus: str
    """One of the chip's buses."""
    registers: UartRegisters


class TimerConfig(Section):
    """A general-purpose timer with the registers of the STM32's, used as a time base."""

    base: Address
    irq: int = Field(ge=0, lt=240)
    bus: str
    """One of the chip's buses. If its prescaler divides, its timers run at twice the bus's clock."""
    bits: Literal[16, 32]


class ReadyRule(Section):
    """How bits of a status register answer to what was written: cleared, then followed, then set."""

    follow: Word = 0
    """Bits whose state appears ``shift`` bits higher: what was enabled is ready at once."""
    shift: int = Field(default=0, ge=0, le=31)
    set: Word = 0
    """Bits that always read as one."""
    clear: Word = 0
    """Bits that read as zero unless one of the above sets them."""


class StatusRegister(Section):
    """A register that start-up codes poll, or that does not reset to zero."""

    address: Address
    reset: Word = 0
    ready: tuple[ReadyRule, ...] = ()


class FlashControl(Section):
    """The register that switches a flash accelerator, as masks of its bits (0 for what the chip does not have)."""

    address: Address
    reset: Word
    prefetch: Word
    instruction_cache: Word
    data_cache: Word

    @property
    def enable(self) -> int:
        """All of it switched on."""
        return self.prefetch | self.instruction_cache | self.data_cache


class FlashAcceleratorConfig(Section):
    """Lines of code and data held before a slow flash, fully associative, the least recently used replaced first."""

    read_bytes: Literal[4, 8, 16]
    """Width of one flash read."""
    line_bytes: Literal[8, 16, 32]
    instruction_lines: int = Field(ge=0, le=4096)
    data_lines: int = Field(ge=0, le=4096)
    control: FlashControl | None
    """null: both caches are always on, and nothing is prefetched."""

    @model_validator(mode="after")
    def _whole_reads(self) -> Self:
        if self.line_bytes < self.read_bytes:
            raise ValueError(f"line_bytes {self.line_bytes} is less than one flash read of {self.read_bytes} bytes")
        return self


class DualIssueTiming(Section):
    """Constants of the two-wide in-order model (Cortex-M7); cycles of the core clock unless another unit is named."""

    model: Literal["dual-issue"]
    fetch_queue_cycles: Cycles
    """How far instruction fetch runs ahead of issue."""
    branch_target_entries: int = Field(gt=0, le=4096)
    mispredict: Cycles
    load_to_use: Cycles
    """From a word load to an instruction that uses the value."""
    narrow_load_to_use: Cycles
    """The same for bytes and half-words, which are aligned and extended."""
    multiply_latency: Cycles
    saturate_latency: Cycles
    float_latency: Cycles
    float_accumulate_latency: Cycles
    """From VMLA to an operation on its result that is not a further accumulation."""
    float_fused_latency: Cycles
    """The same for VFMA."""
    float_accumulate_forward: Cycles = Field(ge=1)
    """From any result to its being accumulated on by VFMA; VMLA, which rounds twice, needs it a cycle later, and gives
    it a cycle later."""
    float_accumulate_shadow: Cycles
    """After a multiply-accumulate, additions, conversions and transfers of several words wait for so many cycles, and
    loads and stores do not issue in the second slot."""
    float_divide_latency: Cycles = Field(ge=1)
    """VDIV, which holds the pipeline."""
    float_root_latency: Cycles = Field(ge=1)
    """VSQRT, which holds the pipeline."""
    double_multiply: Cycles = Field(ge=1)
    """VMUL in double precision holds the pipeline."""
    double_accumulate: Cycles = Field(ge=1)
    double_divide: Cycles = Field(ge=1)
    divide_extra: Cycles
    """SDIV and UDIV issue alone and hold the pipeline for this long."""
    store_buffer_entries: int = Field(gt=0, le=16)
    narrow_store_same_bank: Cycles
    """Drain time of a byte or half-word store that follows one to the same 32-bit bank."""
    narrow_store_other_bank: Cycles
    unaligned_access: Cycles
    """Extra cycles of an access that crosses a word."""
    instruction_miss_flash: Cycles
    instruction_miss_sram: Cycles
    data_miss_flash: Cycles
    """A load that misses the data cache and goes to flash, alone."""
    data_miss_sram: Cycles
    data_miss_overlap: Cycles
    """What a miss costs less that begins less than ``data_miss_window`` after the end of the miss before: two line
    fills may be outstanding."""
    data_miss_window: Cycles
    store_miss: Cycles
    dirty_eviction: Cycles
    uncached_flash_fetch: Cycles
    """Per 8 bytes of code while the instruction cache is off."""
    uncached_flash_load: Cycles
    uncached_sram_access: Cycles


class SingleIssueTiming(Section):
    """Constants of the one-wide in-order model (Cortex-M4, and Cortex-M33 in its stead); cycles of the core clock."""

    model: Literal["single-issue"]
    prefetch_words: int = Field(gt=0, le=7)
    """Words of code that the prefetch unit holds."""
    prefetch_refill: Cycles
    """From a word leaving the prefetch unit to its successor being usable."""
    single_load: Cycles
    paired_load: Cycles
    """A load right after an independent single load."""
    register_offset_store: Cycles
    double_word_access: Cycles
    """LDRD, STRD."""
    table_branch: Cycles
    load_to_pc: Cycles
    address_dependency: Cycles
    """An address register written by the data-processing instruction just before."""
    taken_branch: Cycles
    indirect_branch: Cycles
    loaded_branch: Cycles
    """Refill after TBB, TBH and LDR pc."""
    divide: Cycles
    float_accumulate: Cycles
    float_divide: Cycles
    float_dependency: Cycles
    unaligned_access: Cycles
    """Once for each additional bus transfer."""


CodeKind = Literal["compute", "flash", "sram", "floating_point"]
"""What most of the time of some code goes into, as far as its error differs: operations on integers, waiting for
flash, waiting for SRAM, operations on floating-point numbers."""


class Uncertainty(Section):
    """By how much the cycle model was off at worst in comparisons with boards, in per cent, by the kind of code; null:
    no code of this kind was compared."""

    compute: float | None = None
    flash: float | None = None
    sram: float | None = None
    floating_point: float | None = None

    def sentence(self, kind: CodeKind) -> str:
        """The uncertainty of ``kind``, such as "flash-bound code: within 1.5 % on boards"."""
        percent = getattr(self, kind)
        known = f"within {percent:g} % on boards" if percent is not None else "never compared with a board"
        names = {"sram": "SRAM-bound", "floating_point": "floating-point"}
        return f"{names.get(kind, f'{kind}-bound')} code: {known}"


class McuConfig(Section):
    """A microcontroller as the compiler, the simulator and the search see it."""

    name: str
    core: str
    """One of `CORES`."""
    cpu: str
    """Processor and FPU in the spelling of ``zig cc -mcpu``."""
    clock_hz: int = Field(gt=0)
    flash_wait_states: int = Field(ge=0, le=255)
    memories: dict[str, MemoryRegion]
    """Keyed by name; adjacent ``sram`` regions are linked as one."""
    instruction_cache: CacheConfig | None
    data_cache: CacheConfig | None
    flash_accelerator: FlashAcceleratorConfig | None
    """What the single-issue model has in place of the core's own caches."""
    double_precision: bool = False
    """Whether the FPU computes in double precision."""
    buses: dict[str, BusConfig] = Field(default_factory=dict)
    dma: dict[str, DmaConfig] = Field(default_factory=dict)
    gpio: GpioConfig | None = None
    pins: dict[str, Literal[0, 1]] = Field(default_factory=dict)
    """Levels of pins that something on the board drives, such as ``PG6: 1`` for a "power good". Other inputs read 1 if
    their pull-up is on, else 0."""
    uarts: dict[str, UartConfig] = Field(default_factory=dict)
    timers: dict[str, TimerConfig] = Field(default_factory=dict)
    status_registers: dict[str, StatusRegister] = Field(default_factory=dict)
    """All other peripheral registers read back what was written to them."""
    timing: DualIssueTiming | SingleIssueTiming = Field(discriminator="model")
    validation: Validation
    """How far the cycle model is checked against boards: ``calibrated`` constants were tuned on this chip,
    ``held-out checked`` ones were not but its error was measured, ``blind`` ones were fixed before boards were looked
    at, ``unvalidated`` ones are carried over."""
    validation_note: str
    uncertainty: Uncertainty = Field(default_factory=Uncertainty)

    @field_validator("core")
    @classmethod
    def _known_core(cls, core: str) -> str:
        if core not in CORES:
            raise ValueError(
                f"core '{core}' has no cycle model; those with one are {', '.join(CORES)} (the kernels' assembly needs "
                "the DSP extension of Armv7E-M or Armv8-M Mainline, which Cortex-M0, M0+, M3 and M23 lack)"
            )
        return core

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not any(region.kind == "flash" for region in self.memories.values()):
            raise ValueError(f"mcu '{self.name}' lists no memory of kind 'flash'")
        if not any(region.kind == "sram" for region in self.memories.values()):
            raise ValueError(f"mcu '{self.name}' lists no memory of kind 'sram'")
        expected = CORES[self.core]
        if self.timing.model != expected:
            raise ValueError(f"mcu '{self.name}': core {self.core} needs timing.model '{expected}'")
        if (self.timing.model == "single-issue") != (self.flash_accelerator is not None):
            raise ValueError(
                f"mcu '{self.name}': flash_accelerator goes with timing.model 'single-issue', and only there"
            )
        buses = {name: uart.bus for name, uart in self.uarts.items()}
        buses |= {name: timer.bus for name, timer in self.timers.items()}
        for name, bus in buses.items():
            if bus not in self.buses:
                known = ", ".join(self.buses) or "none"
                raise ValueError(f"mcu '{self.name}': '{name}' is on bus '{bus}', which is none of {known}")
        for pin in self.pins:
            self.pin_position(pin)
        regions = sorted(self.memories.items(), key=lambda item: item[1].start)
        for (name, region), (next_name, following) in pairwise(regions):
            if region.end > following.start:
                raise ValueError(f"mcu '{self.name}': memories '{name}' and '{next_name}' overlap")
        return self

    def pin_position(self, pin: str) -> tuple[int, int]:
        """Number of the port, and number in the port, of a pin such as ``PG6``.

        Raises:
            ValueError: the chip has no such pin.
        """
        match = re.fullmatch(r"P([A-Z])([0-9]|1[0-5])", pin.upper())
        port = ord(match.group(1)) - ord("A") if match else 0
        if match is None or self.gpio is None or port >= self.gpio.ports:
            last = f"P{chr(ord('A') + self.gpio.ports - 1)}15" if self.gpio else "none"
            raise ValueError(f"mcu '{self.name}' has no pin '{pin}' (PA0 to {last})")
        return port, int(match.group(2))

    @property
    def flash(self) -> MemoryRegion:
        """The program memory."""
        return next(region for region in self.memories.values() if region.kind == "flash")

    @property
    def flash_bytes(self) -> int:
        """Size of the program memory."""
        return self.flash.bytes

    @property
    def sram_bytes(self) -> int:
        """All memory for data: DTCM and SRAM (320 KB on the STM32F746), not the instruction memory."""
        return sum(region.bytes for region in self.memories.values() if region.kind in ("dtcm", "sram"))

    def milliseconds(self, cycles: float) -> float:
        """Time of ``cycles`` at the chip's clock."""
        return cycles / self.clock_hz * 1e3
