"""Firmware images: ELF with symbols, or raw binaries of the flash."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError

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
    """Read a firmware: an ELF file, or anything else as the raw content of the flash.

    Raises:
        TinyFormerError: the file cannot be read, is no Arm firmware, or does not fit the flash.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TinyFormerError(f"Cannot read the firmware '{path}': {error.strerror}.") from error
    if content.startswith(b"\x7fELF"):
        return _load_elf(path)
    if len(content) < 8:
        raise TinyFormerError(f"The firmware '{path}' is too short to hold a vector table.")
    if len(content) > mcu.flash_bytes:
        raise TinyFormerError(
            f"The firmware '{path}' has {len(content):,} bytes, the flash of {mcu.name} only {mcu.flash_bytes:,}."
        )
    return FirmwareImage(path, [(mcu.flash.start, content)])


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
