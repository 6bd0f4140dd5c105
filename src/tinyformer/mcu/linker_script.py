# SPDX-License-Identifier: Apache-2.0
"""The linker script of a firmware, generated from the memories of the microcontroller.

Layout: vectors, code and constants in flash; ``.data`` and ``.bss`` in the largest run of adjacent SRAM; the stack at
the *start* of DTCM (of SRAM where there is no DTCM), so that an overflow leaves the memory and faults at once instead
of silently overwriting data. ``.dtcm`` is zeroed and ``.dtcm_data`` and ``.itcm`` are copied from flash at start-up.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyformer.config.mcu import McuConfig


@dataclass(frozen=True)
class LinkRegion:
    """A region of the ``MEMORY`` command."""

    name: str
    start: int
    bytes: int


def sram_runs(mcu: McuConfig) -> list[LinkRegion]:
    """Runs of adjacent SRAM, the largest first; the first is named ``RAM``, the others after their first memory."""
    runs: list[LinkRegion] = []
    for name, region in sorted(mcu.memories.items(), key=lambda item: item[1].start):
        if region.kind != "sram":
            continue
        if runs and runs[-1].start + runs[-1].bytes == region.start:
            last = runs.pop()
            runs.append(LinkRegion(last.name, last.start, last.bytes + region.bytes))
        else:
            runs.append(LinkRegion(f"RAM_{name.upper()}", region.start, region.bytes))
    runs.sort(key=lambda run: (-run.bytes, run.start))
    return [LinkRegion("RAM", runs[0].start, runs[0].bytes), *runs[1:]]


def _tightly_coupled(mcu: McuConfig, kind: str, name: str, fallback: LinkRegion) -> LinkRegion:
    for region in mcu.memories.values():
        if region.kind == kind:
            return LinkRegion(name, region.start, region.bytes)
    return fallback


def _without(region: LinkRegion, arena: LinkRegion | None) -> LinkRegion:
    """What the arena leaves of ``region``: the part before it, or the part after it where it takes the beginning."""
    end = region.start + region.bytes
    if arena is None or arena.start >= end or arena.start + arena.bytes <= region.start:
        return region
    if arena.start > region.start:
        return LinkRegion(region.name, region.start, arena.start - region.start)
    return LinkRegion(region.name, arena.start + arena.bytes, max(end - arena.start - arena.bytes, 0))


def linker_script(mcu: McuConfig, stack_bytes: int, arena: LinkRegion | None = None) -> str:
    """GNU linker script for ``mcu`` with a stack of ``stack_bytes``.

    ``arena`` is memory set aside for the section ``.arena``, which is not initialized; it may span adjacent memories,
    such as the end of DTCM and the beginning of SRAM.
    """
    runs = sram_runs(mcu)
    ram = runs[0]
    flash = LinkRegion("FLASH", mcu.flash.start, mcu.flash.bytes)
    itcm = _tightly_coupled(mcu, "itcm", "ITCM", ram)
    dtcm = _tightly_coupled(mcu, "dtcm", "DTCM", ram)
    regions = {region.name: _without(region, arena) for region in (flash, itcm, dtcm, *runs)}
    if arena is not None:
        regions["ARENA"] = LinkRegion("ARENA", arena.start, arena.bytes)
    reserved = "  .arena (NOLOAD) : { *(.bss.arena) } > ARENA" if arena is not None else ""
    memory = "\n".join(
        f"  {region.name} : ORIGIN = {region.start:#010x}, LENGTH = {region.bytes:#x}" for region in regions.values()
    )
    extra = "\n".join(
        f"  .{run.name.lower()} (NOLOAD) : {{ *(.{run.name.lower()} .{run.name.lower()}.*) }} > {run.name}"
        for run in runs[1:]
    )
    return f"""\
ENTRY(Reset_Handler)
MEMORY
{{
{memory}
}}
SECTIONS
{{
  .vectors : {{ KEEP(*(.vectors)) }} > FLASH
  .text : {{ *(.text .text.*) . = ALIGN(4); }} > FLASH
  .rodata : {{ . = ALIGN(8); *(.rodata .rodata.*) . = ALIGN(4); }} > FLASH
  .stack (NOLOAD) : {{ __stack_limit = .; . += {stack_bytes:#x}; . = ALIGN(8); __stack_top = .; }} > {dtcm.name}
  .dtcm_data : {{ . = ALIGN(8); __dtcm_data_start = .; *(.dtcm_data .dtcm_data.*)
                 . = ALIGN(4); __dtcm_data_end = .; }} > {dtcm.name} AT > FLASH
  __dtcm_data_load = LOADADDR(.dtcm_data);
  .dtcm (NOLOAD) : {{ . = ALIGN(8); __dtcm_start = .; *(.dtcm .dtcm.*) . = ALIGN(4); __dtcm_end = .; }} > {dtcm.name}
  .itcm : {{ . = ALIGN(8); __itcm_start = .; *(.itcm .itcm.*) . = ALIGN(4); __itcm_end = .; }} > {itcm.name} AT > FLASH
  __itcm_load = LOADADDR(.itcm);
{reserved}
  .data : {{ . = ALIGN(8); __data_start = .; *(.data .data.*) . = ALIGN(4); __data_end = .; }} > RAM AT > FLASH
  __data_load = LOADADDR(.data);
  .bss (NOLOAD) : {{ . = ALIGN(8); __bss_start = .; *(.bss .bss.*) *(COMMON) . = ALIGN(4); __bss_end = .; }} > RAM
{extra}
  /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab*) *(.ARM.attributes) *(.comment) *(.note*) }}
}}
"""
