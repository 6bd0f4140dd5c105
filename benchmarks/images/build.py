# SPDX-License-Identifier: Apache-2.0
"""Builds the images of the simulator benchmark from ``src/`` and says which differ from the committed ones.

The reference cycles in ``reference.json`` belong to the committed images (by their SHA-256): another compiler version
gives other images, and those have no reference. Usage: ``python benchmarks/images/build.py DIRECTORY``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tinyformer.mcu.simulator.image import load_image
from tinyformer.mcu.target import load_mcu
from tinyformer.mcu.toolchain import link_firmware

HERE = Path(__file__).parent
MCUS = ("stm32f746", "stm32l4r5")


def build(mcu_name: str, source: Path, directory: Path) -> Path:
    """Raw flash image of one program for one microcontroller."""
    mcu = load_mcu(mcu_name)
    elf = link_firmware([source, source.parent / "main.c"], [], mcu, directory / f"{mcu_name}-{source.stem}.elf")
    segments = load_image(elf, mcu).segments
    content = bytearray(b"\xff" * (max(start + len(data) for start, data in segments) - mcu.flash.start))
    for start, data in segments:
        offset = start - mcu.flash.start
        content[offset : offset + len(data)] = data
    binary = elf.with_suffix(".bin")
    binary.write_bytes(content)
    return binary


def main() -> None:
    """Build every program for every microcontroller."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for mcu_name in MCUS:
        for source in sorted((HERE / "src").glob("*.c")):
            if source.stem == "main":
                continue
            binary = build(mcu_name, source, directory)
            committed = HERE / binary.name
            same = committed.is_file() and committed.read_bytes() == binary.read_bytes()
            print(f"{binary.name}: {'as committed' if same else 'differs from the committed image'}")


if __name__ == "__main__":
    main()
