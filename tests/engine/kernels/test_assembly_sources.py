# SPDX-License-Identifier: Apache-2.0
"""Assembly sources must suit the GNU assembler, too, whose own register names cannot be given to other registers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tinyformer.engine.packing import KERNEL_FILES

SOURCES = [path for path in KERNEL_FILES.values() if path.suffix == ".S" or path.name.endswith("_asm.h")]

# Core, AAPCS, coprocessor, VFP, FPA, Maverick (acc0) and iWMMXt (wr0, ...) registers.
TAKEN = re.compile(
    r"(r|p|c|cr|s|d|q|f|wr|mvf|mvd|mvfx|mvdx|mvax)\d{1,2}|acc0|a[1-4]|v[1-8]|sb|sl|fp|ip|sp|lr|pc|wr|wcgr[0-3]|wcid|wcon|wcssf|wcasf"
    r"|[ac]psr|spsr|fpsid|fpscr|fpexc|mvfr[01]|dspsc"
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_names_of_registers_are_free(path: Path):
    names = re.findall(r"^\s*(\w+)\s+\.req\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in names if TAKEN.fullmatch(name)] == []


def test_the_pattern_knows_taken_names():
    assert all(TAKEN.fullmatch(name) for name in ("acc0", "r4", "p15", "wr3", "ip", "s31"))
    assert not TAKEN.fullmatch("sum0")
