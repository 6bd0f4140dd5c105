# SPDX-License-Identifier: Apache-2.0
"""Random integer graphs: NumPy reference = C under AddressSanitizer and UBSan = firmware on the simulated MCU.

``make fuzz N=2000`` runs N graphs; graph number i is made from ``--seed`` + i alone, so that a failure can be repeated
with ``--seed`` and ``--graphs 1``. Every ``--firmware-every``-th graph also runs on the simulated microcontroller.
Without a system compiler that has AddressSanitizer, undefined behaviour alone is trapped. With every graph, a damaged
.onnx or .tflite file is compiled: it may be refused with a sentence, but never crash the compiler.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.damaged_files import damaged
from tests.ir.qdq import small_model
from tests.ir.tflite_models import small_tflite
from tests.random_graphs import random_graph, random_images

from tinyformer.config.engine import EngineConfig, Objective
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.packing import KERNEL_FILES, KERNEL_INCLUDES
from tinyformer.engine.run.buffers import input_rows, output_bytes, split_outputs
from tinyformer.engine.run.firmware import build_firmware, run_firmware
from tinyformer.engine.run.package_files import open_package
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Int8Array
from tinyformer.ir.load import load_model
from tinyformer.ir.reference import execute_all
from tinyformer.mcu.target import load_mcu
from tinyformer.mcu.toolchain import address_sanitizer_compiler, compile_host_executable, compile_host_objects

NAME = "random"

MCU = "stm32h743"
"""The largest memory: no random graph is too large."""


def check(seed: int, operators: int, firmware: bool, objective: Objective) -> str | None:
    """What is wrong with the graph of ``seed``, or None."""
    mcu = load_mcu(MCU)
    graph = random_graph(seed, operators)
    images = random_images(graph, seed)
    values = execute_all(graph, images)
    expected = [values[name].reshape(len(images), -1) for name in graph.outputs]
    config = EngineConfig(encoding="auto" if seed % 4 else "dense", objective=objective)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            directory = compile_graph(graph, mcu, config, NAME).write(Path(scratch) / NAME)
            outputs = {"host": _run_sanitized(directory, images)}
            if firmware:
                elf = build_firmware(directory, mcu)
                outputs["firmware"] = run_firmware(elf, mcu, images, directory=directory, mode="functional").outputs
        except (TinyFormerError, subprocess.CalledProcessError) as error:
            detail = error.stderr.decode() if isinstance(error, subprocess.CalledProcessError) else ""
            return f"graph {seed}: {error}\n{detail[:2000]}"
    for place, found in outputs.items():
        for name, output, wanted in zip(graph.outputs, found, expected, strict=True):
            wrong = int(np.count_nonzero(output.reshape(len(images), -1) != wanted))
            if wrong:
                operator_names = ", ".join(type(op).__name__ for op in graph.ops)
                return f"graph {seed} ({operator_names}): {place} differs in {wrong} of {wanted.size} values of {name}"
    return None


@cache
def _whole_files() -> dict[str, bytes]:
    """A small model of each format, by the ending of its name."""
    return {".onnx": small_model().SerializeToString(), ".tflite": small_tflite()}


def check_damaged(seed: int) -> str | None:
    """How the compiler crashes on the damaged file of ``seed``, or None."""
    suffix, content = list(_whole_files().items())[seed % 2]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"damaged{suffix}"
        path.write_bytes(damaged(content, np.random.default_rng(seed)))
        try:
            compile_graph(load_model(path), load_mcu(MCU), EngineConfig(), NAME).files()
        except TinyFormerError:
            return None
        except Exception as error:
            return f"damaged {suffix} file {seed}: {type(error).__name__}: {error}"
    return None


@cache
def _kernel_objects(sanitizers: str) -> dict[str, Path]:
    """The kernels, compiled once for all graphs: packages hold copies of these sources, but for the prefix."""
    sources = [path for path in KERNEL_FILES.values() if path.suffix == ".c"]
    prefix = [f"TF_PREFIX={NAME}_tf_"]
    return compile_host_objects(sources, KERNEL_INCLUDES, sanitizers, defines=prefix, optimize="-O1")


def _run_sanitized(directory: Path, images: Int8Array) -> list[Int8Array]:
    """Pipe ``images`` through the package's host example, compiled with sanitizers."""
    package = open_package(directory)
    sanitizers = "address,undefined" if address_sanitizer_compiler() else "undefined"
    kernels = _kernel_objects(sanitizers)
    sources = [kernels.get(source.name, source) for source in package.sources]
    program = compile_host_executable(
        [*sources, directory / "example" / "main_host.c"],
        [package.include],
        directory.with_name("program"),
        sanitizers,
        optimize="-O1",
    )
    rows = input_rows(package, images)
    result = subprocess.run([program], input=rows.tobytes(), capture_output=True, check=True)
    return split_outputs(package, np.frombuffer(result.stdout, np.int8).reshape(len(rows), output_bytes(package)))


def main() -> int:
    """Run the fuzzer; the exit status is 1 if any graph failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="of the first graph")
    parser.add_argument("--operators", type=int, default=8, help="of a graph, at most")
    parser.add_argument("--objective", choices=get_args(Objective), default="latency", help="of the compiler")
    parser.add_argument("--firmware-every", type=int, default=20, help="0: never")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    every = arguments.firmware_every
    failures = []
    with ProcessPoolExecutor(arguments.jobs) as pool, Progress() as progress:
        task = progress.add_task("graphs", total=arguments.graphs)
        seeds = range(arguments.seed, arguments.seed + arguments.graphs)
        futures = [
            pool.submit(check, seed, arguments.operators, bool(every) and seed % every == 0, arguments.objective)
            for seed in seeds
        ]
        damage = [pool.submit(check_damaged, seed) for seed in seeds]
        for future in as_completed(futures):
            progress.advance(task)
            if (failure := future.result()) is not None:
                failures.append(failure)
                progress.console.print(failure, markup=False)
        crashes = [crash for future in damage if (crash := future.result()) is not None]
    print(f"{arguments.graphs - len(failures)} of {arguments.graphs} graphs agree to the bit")
    print(
        f"{arguments.graphs - len(crashes)} of {arguments.graphs} damaged files compile or are refused",
        *crashes,
        sep="\n",
    )
    return 1 if failures or crashes else 0


if __name__ == "__main__":
    sys.exit(main())
