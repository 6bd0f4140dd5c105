# SPDX-License-Identifier: Apache-2.0
"""Flash and static SRAM of a linked firmware, read from its ELF file."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError


@dataclass(frozen=True)
class FirmwareSizes:
    """Bytes of a firmware. Flash is all that is stored, initial values of variables included."""

    flash_bytes: int
    constants_bytes: int
    """Weights, tables and parameters of the model."""

    kernels_bytes: int
    """Code of the model: layers and the kernels they call."""

    runtime_bytes: int
    """All else in flash: start-up code, vectors, the main program, alignment."""

    data_bytes: int
    """Variables in SRAM, without the arena and the stack."""

    arena_bytes: int
    layers: dict[int, int] = field(default_factory=dict)
    """Bytes of constants by layer number."""


def firmware_sizes(elf: Path, mcu: McuConfig, name: str) -> FirmwareSizes:
    """Sizes of ``elf``, which holds the model ``name``. Raises :class:`TinyFormerError` if it is no ELF file."""
    try:
        with elf.open("rb") as stream:
            return _read(ELFFile(stream), mcu, name)
    except Exception as error:
        if type(error).__module__.startswith("elftools"):
            raise TinyFormerError(f"{elf} is not a readable ELF file: {error}") from error
        raise


def _read(image: ELFFile, mcu: McuConfig, name: str) -> FirmwareSizes:
    flash = [region for region in mcu.memories.values() if region.kind == "flash"]

    def in_flash(address: int) -> bool:
        return any(region.start <= address < region.start + region.bytes for region in flash)

    stored = variables = 0
    for section in image.iter_sections():
        if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
            continue
        size = section["sh_size"]
        stored += size if section["sh_type"] != "SHT_NOBITS" else 0
        variables += 0 if in_flash(section["sh_addr"]) or section.name.startswith((".stack", ".heap")) else size
    layer = re.compile(rf"{re.escape(name)}_layer_(\d+)[_.]")
    constants = code = arena = 0
    layers: Counter[int] = Counter()
    table = image.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        raise TinyFormerError("The firmware has no symbol table: link it without stripping.")
    seen: set[tuple[str, int]] = set()
    ours = False  # local symbols follow the name of their source file
    for symbol in table.iter_symbols():
        kind, address, size = symbol["st_info"]["type"], symbol["st_value"], symbol["st_size"]
        if kind == "STT_FILE":
            ours = symbol.name.startswith(("tf_", name))
        local = ours and symbol["st_info"]["bind"] == "STB_LOCAL"
        if (kind, address) in seen or kind not in ("STT_OBJECT", "STT_FUNC"):
            continue
        seen.add((kind, address))
        if kind == "STT_OBJECT" and in_flash(address):
            if match := layer.match(symbol.name):
                layers[int(match[1])] += size
            constants += size if local or symbol.name.startswith(f"{name}_") else 0
        elif kind == "STT_FUNC" and (local or symbol.name.startswith(f"{name}_")):
            code += size
        elif symbol.name == "arena":
            arena = size
    return FirmwareSizes(
        flash_bytes=stored,
        constants_bytes=constants,
        kernels_bytes=code,
        runtime_bytes=stored - constants - code,
        data_bytes=variables - arena,
        arena_bytes=arena,
        layers=dict(layers),
    )
