# SPDX-License-Identifier: Apache-2.0
"""Bytes of machine code by source file, read from a firmware's debug information (DWARF)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elftools.dwarf.descriptions import describe_form_class
from elftools.dwarf.ranges import RangeEntry
from elftools.elf.elffile import ELFFile

from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError


def code_bytes_by_source(elf: Path, mcu: McuConfig) -> dict[str, int]:
    """Bytes of code that each source file contributes, by its name without directory.

    Functions that the linker dropped do not count. Raises :class:`TinyFormerError` without debug information.
    """
    flash = mcu.flash
    with elf.open("rb") as stream:
        image = ELFFile(stream)
        if not image.has_dwarf_info():
            raise TinyFormerError(f"{elf} has no debug information: link it with -g and without stripping.")
        dwarf = image.get_dwarf_info()
        sizes: Counter[str] = Counter()
        for unit in dwarf.iter_CUs():
            top = unit.get_top_DIE()
            name = Path(top.attributes["DW_AT_name"].value.decode()).name
            sizes[name] += sum(
                end - begin for begin, end in _ranges(dwarf, unit, top) if flash.start <= begin < flash.end
            )
    return {name: size for name, size in sorted(sizes.items()) if size}


def _ranges(dwarf: Any, unit: Any, top: Any) -> Iterator[tuple[int, int]]:
    """Addresses (first, past the last) of a compilation unit; dropped functions lie near address 0."""
    attributes = top.attributes
    if "DW_AT_ranges" in attributes:
        entries = dwarf.range_lists().get_range_list_at_offset(attributes["DW_AT_ranges"].value, unit)
        yield from ((entry.begin_offset, entry.end_offset) for entry in entries if isinstance(entry, RangeEntry))
    elif "DW_AT_low_pc" in attributes:
        begin, end = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
        yield begin, end.value if describe_form_class(end.form) == "address" else begin + end.value
