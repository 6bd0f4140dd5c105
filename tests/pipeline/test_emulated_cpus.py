# SPDX-License-Identifier: Apache-2.0
"""A training in small ends in the same bytes on processors of two makers, emulated by QEMU (package ``qemu-user``)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

QEMU = shutil.which("qemu-x86_64")
ROOT = Path(__file__).parents[2]
PROBE = ROOT / "tests" / "pipeline" / "training_probe.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(QEMU is None, reason="qemu-x86_64 is missing: install the distribution's package qemu-user"),
]


def digest(processor: str, probe: Path = PROBE) -> str:
    """What the probe prints on ``processor``."""
    command = [str(QEMU), "-cpu", processor, sys.executable, str(probe)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_intel_amd_and_this_processor_make_the_same_bytes() -> None:
    here = subprocess.run([sys.executable, PROBE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert digest("Haswell") == digest("EPYC") == here.stdout.strip()


def test_without_the_pin_they_differ(tmp_path: Path) -> None:
    """Otherwise the test above would see nothing."""
    free = tmp_path / "probe.py"
    free.write_text(PROBE.read_text("utf-8").replace("\npin()", "\n"), "utf-8")
    assert digest("Haswell", free) != digest("Haswell")
