"""The generated C as a firmware on the simulated microcontroller."""

from __future__ import annotations

from pathlib import Path

from tinyformer.config.mcu import McuConfig
from tinyformer.engine.package_files import open_package
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.linker_script import LinkRegion, sram_runs
from tinyformer.mcu.toolchain import link_firmware

_LINE = 32
"""Bytes of a cache line: the arena begins at one."""


def build_firmware(directory: Path, mcu: McuConfig, output: Path | None = None) -> Path:
    """Link the package in ``directory`` and its example program to an ELF file for ``mcu``.

    The file is ``output``, or lies beside the package under the model's name.

    Raises:
        TinyFormerError: there is no package, or it does not fit the microcontroller.
    """
    package = open_package(directory)
    report = package.report
    return link_firmware(
        [*package.sources, directory / "example" / "main_mcu.c"],
        [package.include],
        mcu,
        output or directory.with_name(f"{package.name}.elf"),
        optimize=report["optimize"],
        stack_bytes=report["stack_bytes"],
        arena=arena_region(mcu, report["stack_bytes"], report["arena_bytes"]),
    )


def arena_region(mcu: McuConfig, stack_bytes: int, arena_bytes: int) -> LinkRegion:
    """Where the arena lies: its beginning, which is used most, in tightly coupled memory.

    The stack takes the beginning of DTCM and the arena follows; where SRAM begins at the end of DTCM the arena runs on
    into it, elsewhere an arena larger than the rest of DTCM lies at the end of SRAM.

    Raises:
        TinyFormerError: no memory, nor two adjacent ones, are large enough.
    """
    ram = sram_runs(mcu)[0]
    dtcm = next((region for region in mcu.memories.values() if region.kind == "dtcm"), None)
    if dtcm is not None:
        start = _round_up(dtcm.start + stack_bytes)
        end = ram.start + ram.bytes if dtcm.end == ram.start else dtcm.end
        if start + arena_bytes <= end:
            return LinkRegion("ARENA", start, arena_bytes)
    start = (ram.start + ram.bytes - arena_bytes) // _LINE * _LINE
    if start < ram.start + (0 if dtcm else stack_bytes):
        raise TinyFormerError(
            f"The arena of {arena_bytes:,} bytes and the stack of {stack_bytes:,} bytes fit no contiguous memory of"
            f" {mcu.name}: the largest, {ram.name}, has {ram.bytes:,} bytes."
        )
    return LinkRegion("ARENA", start, arena_bytes)


def _round_up(address: int) -> int:
    return -(-address // _LINE) * _LINE
