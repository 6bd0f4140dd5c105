# SPDX-License-Identifier: Apache-2.0
"""A package in the hands of its users' compilers: strict warnings, other languages, other processors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tinyformer.mcu.toolchain import RUNTIME_INCLUDE

WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wmissing-prototypes",
    "-Wstrict-prototypes",
    "-Werror",
    "-Wno-unused-command-line-argument",
]
TARGETS = {
    "host": [],
    "cortex-m7": ["-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7+fp_armv8d16sp", f"-I{RUNTIME_INCLUDE}"],
    "cortex-m4": ["-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4", f"-I{RUNTIME_INCLUDE}"],
}


def zig(*arguments: str) -> str:
    """Run ``zig`` and return what it prints to standard output; a failure shows what it complains about."""
    result = subprocess.run([sys.executable, "-m", "ziglang", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def relocatable(sources: Iterable[Path], flags: Sequence[str], output: Path) -> Path:
    """Compile and link ``sources`` to one object file, undefined symbols left open."""
    zig("cc", *flags, "-nostdlib", "-r", "-o", str(output), *sorted(map(str, sources)))
    return output
