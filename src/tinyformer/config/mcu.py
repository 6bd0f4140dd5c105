"""Section ``mcu``: one file a microcontroller under ``conf/mcu``.

Everything that the compiler, the linker, the simulator and its cycle model know of a chip is here; the rules that use
the timing constants are explained in ``docs/timing_model.md``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tinyformer.config.base import Section

Address = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
Cycles = Annotated[int, Field(ge=0)]
MemoryKind = Literal["flash", "itcm", "dtcm", "sram"]
Validation = Literal["calibrated", "held-out checked", "unvalidated"]


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


class UartConfig(Section):
    """A serial port that third-party firmware may use as its console."""

    base: Address
    irq: int = Field(ge=0, lt=240)
    """Number of the interrupt in the vector table, counted from the first external one."""
    layout: Literal["isr", "sr"]
    """Register layout: ``isr`` has ISR/RDR/TDR (F7, H7, L4), ``sr`` has SR/DR (F4)."""


class TimerConfig(Section):
    """A general-purpose timer, used as a time base."""

    base: Address
    irq: int = Field(ge=0, lt=240)
    clock_hz: int = Field(gt=0)
    """Clock before the prescaler when the core runs at ``clock_hz`` of the chip."""
    bits: Literal[16, 32]


class CortexM7Timing(Section):
    """Constants of the two-wide in-order model; cycles of the core clock unless another unit is named."""

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
    float_divide_latency: Cycles
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
    data_miss_sram: Cycles
    store_miss: Cycles
    dirty_eviction: Cycles
    uncached_flash_fetch: Cycles
    """Per 8 bytes of code while the instruction cache is off."""
    uncached_flash_load: Cycles
    uncached_sram_access: Cycles


class CortexM4Timing(Section):
    """Constants of the single-issue model and of the flash accelerator (ART); cycles unless another unit is named."""

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
    flash_read_bytes: Literal[8, 16]
    """Width of one flash read: 8 in dual-bank, 16 in single-bank mode."""
    accelerator_instruction_lines: int = Field(ge=0, le=128)
    accelerator_data_lines: int = Field(ge=0, le=128)
    accelerator_line_bytes: Literal[16, 32]
    accelerator_control: Address
    """Address of FLASH_ACR."""
    accelerator_reset_value: int = Field(ge=0)
    """FLASH_ACR after reset; bits 8 to 10 enable prefetch, instruction cache and data cache."""


class McuConfig(Section):
    """A microcontroller as the compiler, the simulator and the search see it."""

    name: str
    core: Literal["cortex-m7", "cortex-m4"]
    cpu: str
    """Processor and FPU in the spelling of ``zig cc -mcpu``."""
    clock_hz: int = Field(gt=0)
    flash_wait_states: int = Field(ge=0, le=15)
    memories: dict[str, MemoryRegion]
    """Keyed by name; adjacent ``sram`` regions are linked as one."""
    instruction_cache: CacheConfig | None
    data_cache: CacheConfig | None
    uarts: dict[str, UartConfig]
    timers: dict[str, TimerConfig]
    family: Literal["f4", "f7", "h7", "l4"]
    """Decides which ready bits of RCC, PWR and FLASH a start-up code polls."""
    timing: CortexM7Timing | CortexM4Timing = Field(discriminator="model")
    validation: Validation
    """How far the cycle model is checked against boards: ``calibrated`` constants were tuned on this chip,
    ``held-out checked`` ones were not but its error was measured, ``unvalidated`` ones are carried over."""
    validation_note: str

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not any(region.kind == "flash" for region in self.memories.values()):
            raise ValueError(f"mcu '{self.name}' lists no memory of kind 'flash'")
        if not any(region.kind == "sram" for region in self.memories.values()):
            raise ValueError(f"mcu '{self.name}' lists no memory of kind 'sram'")
        expected = {"cortex-m7": "dual-issue", "cortex-m4": "single-issue"}[self.core]
        if self.timing.model != expected:
            raise ValueError(f"mcu '{self.name}': core {self.core} needs timing.model '{expected}'")
        regions = sorted(self.memories.items(), key=lambda item: item[1].start)
        for (name, region), (next_name, following) in pairwise(regions):
            if region.end > following.start:
                raise ValueError(f"mcu '{self.name}': memories '{name}' and '{next_name}' overlap")
        return self

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
