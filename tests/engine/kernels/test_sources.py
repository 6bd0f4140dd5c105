# SPDX-License-Identifier: Apache-2.0
"""The C sources compile without a warning wherever a firmware project may take them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tinyformer.engine.packing import KERNEL_FILES, KERNEL_INCLUDES
from tinyformer.mcu.toolchain import RUNTIME_INCLUDE

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
INCLUDES = [f"-I{directory}" for directory in KERNEL_INCLUDES]
HOST = ["-shared", "-fPIC"]
CORTEX_M7 = [
    *("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7+fp_armv8d16sp", f"-I{RUNTIME_INCLUDE}"),
    *("-nostdlib", "-r"),
]


def check(compiler: str, *arguments: str) -> None:
    """Assert that the compiler has nothing to say."""
    command = [sys.executable, "-m", "ziglang", compiler, *INCLUDES, *STRICT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", [HOST, CORTEX_M7], ids=["host", "cortex-m7"])
def test_sources_compile_as_c99(target: list[str], tmp_path: Path) -> None:
    sources = [str(path) for path in KERNEL_FILES.values() if path.suffix in (".c", ".S")]
    check("cc", "-std=c99", *target, *sources, "-o", str(tmp_path / "kernels"))


def test_header_serves_cpp_and_takes_a_prefix(tmp_path: Path) -> None:
    program = tmp_path / "program.cpp"
    program.write_text('#include "tf_kernels.h"\nvoid call(const tf_lut_params &p) { one_lut(&p, 0, 0, 0); }\n')
    check("c++", "-std=c++11", "-DTF_PREFIX=one_", "-c", str(program), "-o", str(tmp_path / "program.o"))
