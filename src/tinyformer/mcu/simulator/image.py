# SPDX-License-Identifier: Apache-2.0
"""Firmware images: ELF with symbols, Intel HEX, or raw binaries of the flash."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.simulator.file_kinds import known_kind
from tinyformer.mcu.simulator.intel_hex import read_intel_hex

_MOST_BYTES = 256 << 20
"""Of a file: ELF files hold debug information, too."""

LAYER_NAME = re.compile(r"_layer_(\d+)$")


@dataclass(frozen=True)
class Function:
    """A function of the firmware."""

    address: int
    bytes: int
    name: str

    @property
    def layer(self) -> int | None:
        """Number of the layer if the function is named ``<model>_layer_<n>``."""
        match = LAYER_NAME.search(self.name)
        return int(match.group(1)) if match else None


@dataclass(frozen=True)
class FirmwareImage:
    """What is loaded into the simulated chip, and what is known of it."""

    path: Path
    segments: list[tuple[int, bytes]]
    """Load address and content."""
    functions: list[Function] = field(default_factory=list)
    symbols: dict[str, int] = field(default_factory=dict)
    """Addresses of all other symbols."""

    def function_at(self, address: int) -> str | None:
        """Name of the function that contains ``address``."""
        for function in self.functions:
            if function.address <= address < function.address + max(function.bytes, 1):
                return function.name
        return None

    def line_at(self, address: int) -> str | None:
        """``file:line`` of the code at ``address`` if the image has debug information."""
        if not self.functions:
            return None
        with self.path.open("rb") as stream:
            elf = ELFFile(stream)
            if not elf.has_dwarf_info():
                return None
            for unit in elf.get_dwarf_info().iter_CUs():
                found = _line_in_unit(elf.get_dwarf_info().line_program_for_CU(unit), address)
                if found:
                    return found
        return None


def _line_in_unit(program, address: int) -> str | None:  # type: ignore[no-untyped-def]  # pyelftools has no types
    if program is None:
        return None
    previous = None
    first_file = 0 if program["version"] >= 5 else 1
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if previous is not None and previous.address <= address < state.address:
            return f"{program['file_entry'][previous.file - first_file].name.decode()}:{previous.line}"
        if state.end_sequence:
            previous = None
        elif state.line != 0 or previous is None:  # line 0: code of no line in particular
            previous = state
    return None


def load_image(path: Path, mcu: McuConfig) -> FirmwareImage:
    """Read a firmware: an ELF file, Intel HEX, or the raw content of the flash.

    Raises:
        TinyFormerError: the file cannot be read, is no Arm firmware, or does not fit the flash.
    """
    content = _content(path)
    if content.startswith(b"\x7fELF"):
        return _load_elf(path)
    if content.startswith(b":") and content[1:9].isalnum():
        return FirmwareImage(path, read_intel_hex(content, str(path)))
    if kind := known_kind(content):
        raise TinyFormerError(
            f"'{path}' is {kind}, no firmware: give an ELF file, Intel HEX (.hex), or the raw content of the flash "
            "(.bin)."
        )
    if len(content) < 8:
        raise TinyFormerError(f"The firmware '{path}' is too short to hold a vector table.")
    if len(content) > mcu.flash_bytes:
        raise TinyFormerError(
            f"The firmware '{path}' has {len(content):,} bytes, the flash of {mcu.name} only {mcu.flash_bytes:,}."
        )
    _check_vectors(path, content, mcu)
    return FirmwareImage(path, [(mcu.flash.start, content)])


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise TinyFormerError(f"The firmware '{path}' is no regular file: copy it into one.")
        if path.stat().st_size > _MOST_BYTES:
            raise TinyFormerError(
                f"The firmware '{path}' has {path.stat().st_size:,} bytes; more than {_MOST_BYTES:,} is no firmware."
            )
        return path.read_bytes()
    except OSError as error:
        raise TinyFormerError(f"Cannot read the firmware '{path}': {error.strerror}.") from error


def _check_vectors(path: Path, content: bytes, mcu: McuConfig) -> None:
    """A raw image begins with the vector table: initial stack pointer and reset handler."""
    stack, entry = int.from_bytes(content[:4], "little"), int.from_bytes(content[4:8], "little")
    in_ram = any(
        start < stack <= start + region.bytes
        for region in mcu.memories.values()
        if region.kind != "flash"
        for start in (region.start, *region.aliases)
    )
    in_flash = entry & 1 and any(
        start <= entry < start + mcu.flash_bytes for start in (mcu.flash.start, *mcu.flash.aliases)
    )
    if not in_ram or not in_flash:
        raise TinyFormerError(
            f"'{path}' does not begin with the vector table of a firmware for {mcu.name}: stack {stack:#010x}, entry "
            f"{entry:#010x}. Is it firmware, for this microcontroller, and whole from the start of its flash?"
        )


def _load_elf(path: Path) -> FirmwareImage:
    with path.open("rb") as stream:
        try:
            elf = ELFFile(stream)
            if elf["e_machine"] != "EM_ARM":
                raise TinyFormerError(f"The firmware '{path}' is not built for Arm (machine {elf['e_machine']}).")
            segments = [
                (segment["p_paddr"], segment.data()) for segment in elf.iter_segments("PT_LOAD") if segment["p_filesz"]
            ]
            functions: list[Function] = []
            symbols: dict[str, int] = {}
            table = elf.get_section_by_name(".symtab")
            for symbol in table.iter_symbols() if isinstance(table, SymbolTableSection) else ():
                if symbol["st_info"]["type"] == "STT_FUNC":
                    functions.append(Function(symbol["st_value"] & ~1, symbol["st_size"], symbol.name))
                elif symbol.name and not symbol.name.startswith("$"):
                    symbols[symbol.name] = symbol["st_value"]
        except ELFError as error:
            raise TinyFormerError(f"The firmware '{path}' is not a valid ELF file: {error}.") from error
    functions.sort(key=lambda function: (function.address, function.name))
    unique = {function.address: function for function in functions}
    return FirmwareImage(path, segments, list(unique.values()), symbols)
