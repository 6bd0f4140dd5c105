# SPDX-License-Identifier: Apache-2.0
"""One level of instructions for all x86-64 processors, so that the same seed ends in the same bytes on each of them.

Numerical libraries choose kernels by the processor they find, and kernels round sums in different orders. Held to AVX2
(ATen, oneDNN, OpenBLAS, NumPy) and to MKL's code path that asks for no vendor, they agree; it costs no time that shows.
The libraries read their settings when they are loaded: :func:`pin` comes before any import of them.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import MutableMapping
from functools import cache
from pathlib import Path
from typing import Literal

Level = Literal["portable", "native"]

SETTINGS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",  # AVX2 is not enough: MKL chooses among its AVX2 kernels by vendor
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
"""Environment variables of ATen, oneDNN, MKL, OpenBLAS and NumPy."""


def pin(environment: MutableMapping[str, str] = os.environ) -> None:
    """Hold the libraries to one level, whatever the environment said; without AVX2, or on other architectures, nothing.

    Only what is imported afterwards, and processes started from here, heed it.
    """
    if "avx2" in cpu_features():
        environment.update(SETTINGS)


def requested_level(params: Path) -> Level:
    """``trainer.isa`` of a params.yaml, without loading anything: portable unless it plainly says native."""
    try:
        text = params.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return "portable"
    section = re.search(r"^trainer:\n((?:[ \t].*\n?)*)", text, re.M)
    native = section and re.search(r"^\s+isa:\s*['\"]?native['\"]?\s*(#.*)?$", section[1], re.M)
    return "native" if native else "portable"


@cache
def cpu_features() -> frozenset[str]:
    """What Linux says that the processor can do; empty elsewhere and for other architectures than x86-64."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return frozenset()
    found = re.search(r"^flags\s*:\s*(.*)$", _cpuinfo(), re.M)
    return frozenset(found[1].split()) if found else frozenset()


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return ""
