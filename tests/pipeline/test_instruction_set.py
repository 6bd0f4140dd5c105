# SPDX-License-Identifier: Apache-2.0
"""The same bytes whatever the processor can do: stages are held to one level, whatever their environment says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.pipeline.conftest import TINY
from tests.pipeline.project import Project

from tinyformer.instruction_set import SETTINGS, cpu_features, pin, requested_level

pytestmark = pytest.mark.skipif("avx2" not in cpu_features(), reason="no x86-64 processor with AVX2")

OTHER_LEVELS = {
    "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "AVX512",
    "OPENBLAS_CORETYPE": "Prescott",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3", "OPENBLAS_NUM_THREADS": "2",
}  # fmt: skip
"""What another processor would make of it, as far as one processor can be told to."""


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("trainer:\n  isa: native\n", "native"),
        ("seed: 1\ntrainer:\n  devices: 1\n  isa: 'native'\nruntime:\n  a: 1\n", "native"),
        ("trainer:\n  isa: portable\n", "portable"),
        ("trainer:\n  devices: 1\nother:\n  isa: native\n", "portable"),
        ("", "portable"),
    ],
)
def test_the_level_is_read_before_anything_is_imported(tmp_path: Path, text: str, level: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, "utf-8")
    assert requested_level(path) == level
    assert requested_level(tmp_path / "missing.yaml") == "portable"


def test_libraries_heed_what_is_pinned() -> None:
    environment = {**os.environ, **OTHER_LEVELS}
    pin(environment)
    code = (
        "import json, torch, numpy, threadpoolctl;"
        "print(torch.backends.cpu.get_cpu_capability());"
        "print(numpy._core._multiarray_umath.__cpu_features__['X86_V4']);"
        "libraries = [lib for lib in threadpoolctl.threadpool_info() if lib['internal_api'] == 'openblas'];"
        "print(libraries[0]['architecture'])"
    )
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["AVX2", "False", "Haswell"]


def test_a_stage_makes_the_same_bytes_in_an_environment_that_asks_for_another_level(tmp_path: Path) -> None:
    """Also when it is started by DVC alone; asked for, the other level does make other bytes."""
    project = Project.create(tmp_path)
    project.tinyformer("repro", *TINY, "--stage", "train_supernet")
    weights = project.root / "outputs/supernet.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    project.run_stage("train_supernet", **OTHER_LEVELS)
    assert weights.read_bytes() == before
    parameters = project.root / "params.yaml"
    parameters.write_text(parameters.read_text("utf-8").replace("isa: portable", "isa: native"), "utf-8")
    weights.unlink()
    project.run_stage("train_supernet", **OTHER_LEVELS)
    assert weights.read_bytes() != before, "the test would see nothing"
    assert set(OTHER_LEVELS) == set(SETTINGS)
