# SPDX-License-Identifier: Apache-2.0
"""The generated C on the computer at hand: for checks, and for whole test sets in seconds."""

from __future__ import annotations

import ctypes
import tempfile
from pathlib import Path

import numpy as np

from tinyformer.engine.run.buffers import input_rows, output_bytes, split_outputs
from tinyformer.engine.run.package_files import open_package
from tinyformer.ir.graph import Int8Array
from tinyformer.mcu.toolchain import compile_host_library


class HostModel:
    """A generated package, compiled to a shared library of this computer and loaded.

    Args:
        directory: the package.
        sanitize: ``"undefined"`` stops the process at undefined behaviour.
        optimize: optimization level; ``-O0`` compiles fastest.

    Raises:
        TinyFormerError: there is no package, or the compiler rejects it.
    """

    def __init__(self, directory: Path, sanitize: str = "", optimize: str = "-O2") -> None:
        self.package = open_package(directory)
        self._build = tempfile.TemporaryDirectory(prefix=f"{self.package.name}-")
        library = Path(self._build.name) / f"lib{self.package.name}.so"
        compile_host_library(self.package.sources, [self.package.include], library, sanitize, optimize=optimize)
        loaded = ctypes.CDLL(str(library))
        self._init = getattr(loaded, f"{self.package.name}_init")
        self._init.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        self._invoke = getattr(loaded, f"{self.package.name}_invoke")
        self._invoke.argtypes = [ctypes.c_void_p] * 3
        self._selftest = getattr(loaded, f"{self.package.name}_selftest")
        self._selftest.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        # NumPy aligns its own arrays to 16 bytes at least.
        self._arena = np.zeros(max(self.package.report["arena_bytes"], 1), np.int8)

    def selftest(self) -> int:
        """Status of the package's own test: 0 if this build computes what the reference does."""
        return int(self._selftest(self._arena.ctypes.data, self._arena.size))

    def run(self, images: Int8Array, in_arena: bool = False) -> Int8Array:
        """The network's only output on ``images`` (N, H, W, C), as (N, ...)."""
        outputs = self.run_all(images, in_arena)
        if len(outputs) != 1:
            raise ValueError(f"{self.package.name} has {len(outputs)} outputs: use run_all")
        return outputs[0]

    def run_all(self, images: Int8Array, in_arena: bool = False) -> list[Int8Array]:
        """All outputs on ``images`` (N, H, W, C), each as (N, ...).

        ``in_arena`` passes input and output at their planned places in the arena instead of in buffers outside.
        """
        rows = input_rows(self.package, images)
        results = np.zeros((len(rows), output_bytes(self.package)), np.int8)
        source, target = np.zeros(rows.shape[1], np.int8), np.zeros(results.shape[1], np.int8)
        if in_arena:
            plan = self.package.memory_plan()
            begin = plan["tensors"][self.package.report["input"]["name"]]
            source = self._arena[begin : begin + source.size]
            begin = plan["tensors"][self.package.report["outputs"][0]["name"]]
            target = self._arena[begin : begin + target.size]
        arena = self._arena.ctypes.data
        status = self._init(arena, self._arena.size)
        for row, result in zip(rows, results, strict=True):
            source[:] = row
            status = status or self._invoke(arena, source.ctypes.data, target.ctypes.data)
            if status:
                raise RuntimeError(f"{self.package.name} returned the error {status}")
            result[:] = target
        return split_outputs(self.package, results)
