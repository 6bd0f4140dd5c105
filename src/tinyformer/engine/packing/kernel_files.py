# SPDX-License-Identifier: Apache-2.0
"""The C and assembly sources of the kernels: where they lie, and which belong together (docs/kernels.md)."""

from __future__ import annotations

from pathlib import Path

KERNEL_DIRECTORY = Path(__file__).parent.parent / "kernels"
"""A folder for each family of kernels."""

KERNEL_FILES = {
    path.name: path
    for path in sorted(KERNEL_DIRECTORY.glob("*/*"), key=lambda path: path.name)
    if path.suffix in (".c", ".h", ".S")
}
"""Sources and headers by name, which is unique: generated packages hold them in one folder."""

KERNEL_INCLUDES = tuple(sorted({path.parent for path in KERNEL_FILES.values()}))
"""Folders in which the sources find each other's headers."""


def assembled(*functions: str) -> tuple[str, ...]:
    """Files of functions in assembly: for ARMv7E-M, and the reference in C that stands for it elsewhere."""
    return tuple(file for name in functions for file in (f"tf_{name}.S", f"tf_{name}_reference.c"))
