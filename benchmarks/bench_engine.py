# SPDX-License-Identifier: Apache-2.0
"""Cycles of kernels and models on the simulated STM32F746, through the ordinary compiler, against published figures.

    python benchmarks/bench_engine.py [PATTERN ...] [--output outputs/bench/engine.json]

Weights in flash, activations in SRAM, scratch in DTCM, all preparation included; every output is compared with the
reference executor. References: CMSIS-NN's cycles per multiply-accumulate in the same cycle model (kernels), the best
published inferences per second on the chip (MLPerf Tiny models), CMSIS-NN's figures summed over the layers (networks).
The rows ``quickstart`` and ``quickstart/dense`` are the model that ``make repro`` has left in outputs/, if there is
one, and the same without sparse encodings.
The cases ``fixture/NAME`` compare whole models with onnxruntime and, to the bit, C on the host and in the simulator.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import engine_cases as cases
from benchmarks.fixture_agreement import compare
from benchmarks.models import FIXTURES, build
from tinyformer.config.engine import EngineConfig
from tinyformer.engine.compiler import CompiledModel, compile_graph
from tinyformer.engine.costs.synthetic import synthetic_graph
from tinyformer.engine.run.firmware import FirmwareRun, build_firmware, run_firmware
from tinyformer.engine.run.profile import FirmwareProfile, profile_firmware
from tinyformer.errors import TinyFormerError
from tinyformer.ir import graph as ir
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute
from tinyformer.mcu.linker_script import LinkRegion
from tinyformer.mcu.target import load_mcu
from tinyformer.nets.spec import LayerSparsity, weighted_layers

IMAGES = 3
RATIOS = (0.2, 0.5, 0.7, 0.8, 0.9)
QUICKSTART = Path("outputs/model.onnx")
FIXTURE_INPUTS = 1000
FIXTURE_INPUTS_MCU = 20


@dataclass(frozen=True)
class Case:
    """One row: a graph, where its activations lie, and the cycles to compare with."""

    name: str
    graph: Callable[[], ir.Graph]
    reference_cycles: float | None
    activations: str = "sram"
    """``sram``, or ``any``: wherever the ordinary build puts the arena."""

    encoding: Literal["auto", "dense"] = "auto"


def _sparsity(ratio: float) -> LayerSparsity:
    return LayerSparsity((2, 2), ratio)


def kernel_cases() -> Iterator[Case]:
    """Dense kernels; references are cycles per multiply-accumulate or element times their number."""
    for size, inputs, outputs, cycles in (
        (16, 64, 128, 1.60),
        (8, 96, 192, 1.44),
        (16, 128, 64, 1.36),
        (32, 16, 64, 2.90),
    ):
        name = f"conv1x1/{size}x{size}x{inputs}-{outputs}"
        yield Case(
            name, lambda s=size, i=inputs, o=outputs: cases.conv(s, i, o), cycles * size * size * inputs * outputs
        )
    yield Case("conv3x3/16x16x32-32", lambda: cases.conv(16, 32, 32, 3), 1.79 * 16 * 16 * 32 * 32 * 9)
    yield Case("conv3x3/32x32x3-16", lambda: cases.conv(32, 3, 16, 3), 4.37 * 32 * 32 * 3 * 16 * 9)
    yield Case("dw3x3/16x16x96", lambda: cases.depthwise(16, 96), 7.07 * 16 * 16 * 96 * 9)
    yield Case("dw3x3s2/32x32x64", lambda: cases.depthwise(32, 64, stride=2), 7.41 * 16 * 16 * 64 * 9)
    yield Case("dw3x1/16x16x96", lambda: cases.depthwise(16, 96, 3, width=1), None)
    yield Case("dw1x5/16x16x96", lambda: cases.depthwise(16, 96, 1, width=5), None)
    yield Case("dw3x3x2/16x16x48-96", lambda: cases.conv(16, 48, 96, 3, groups=48), None)
    yield Case("group4/16x16x64-64", lambda: cases.conv(16, 64, 64, 3, groups=4), None)
    yield Case("linear/64x96-96", lambda: cases.linear(64, 96, 96), 2.09 * 64 * 96 * 96)
    yield Case("bmm/64x96.96x64", lambda: cases.matmul(64, 96, 64, transposed=True), 2.01 * 64 * 96 * 64)
    yield Case("bmm/64x64.64x96", lambda: cases.matmul(64, 64, 96, transposed=False), 2.19 * 64 * 64 * 96)
    yield Case("softmax/64x64", lambda: cases.softmax(64, 64), 333 * 4096)
    yield Case("add/6144", lambda: cases.add(6144), 61 * 6144)
    yield Case("layernorm/64x96", lambda: cases.layer_norm(64, 96), None)
    yield Case("gelu/6144", lambda: cases.lut(6144), None)


def sparse_cases() -> Iterator[Case]:
    """Block-sparse kernels against CMSIS-NN's dense ones."""
    for ratio in RATIOS:
        for size, inputs, outputs, reference in ((16, 64, 128, 1.60 * 2097152), (8, 192, 96, 1.564e6)):
            name = f"sparse1x1/{size}x{size}x{inputs}-{outputs}/s{ratio:.0%}".rstrip("%")
            yield Case(
                name, lambda s=size, i=inputs, o=outputs, r=ratio: cases.conv(s, i, o, 1, _sparsity(r)), reference
            )
        yield Case(
            f"sparse3x3/16x16x32-32/s{ratio:.0%}".rstrip("%"),
            lambda r=ratio: cases.conv(16, 32, 32, 3, _sparsity(r)),
            1.79 * 16 * 16 * 32 * 32 * 9,
        )
        yield Case(
            f"sparselinear/64x96-96/s{ratio:.0%}".rstrip("%"),
            lambda r=ratio: cases.linear(64, 96, 96, _sparsity(r)),
            2.09 * 64 * 96 * 96,
        )


def _fixture(name: str) -> ir.Graph:
    with tempfile.TemporaryDirectory() as scratch:
        return import_onnx(build(name, Path(scratch) / "model.onnx"))


def _cifar(ratio: float) -> ir.Graph:
    layers = weighted_layers(cases.CIFAR_20M)
    sparsity = {layer.name: _sparsity(ratio) for layer in layers if layer.prunable and ratio}
    return synthetic_graph(cases.CIFAR_20M, sparsity, seed=2026)


def model_cases() -> Iterator[Case]:
    """Whole networks; inferences per second at 216 MHz from TARGETS (MLPerf Tiny, the best of v1.1 and v1.2)."""
    for name, best in {"resnet8": 16.24, "dscnn": 56.3, "mobilenetv1-025-96": 29.3, "autoencoder": 587.0}.items():
        yield Case(name, lambda n=name: _fixture(n), 216e6 / best, "any")
    for ratio in (0.0, 0.8):
        name = "cifar20m/" + (f"s{ratio:.0%}".rstrip("%") if ratio else "dense")
        yield Case(name, lambda r=ratio: _cifar(r), cmsis_cycles(_cifar(ratio)), "any")
    if QUICKSTART.is_file():
        reference = cmsis_cycles(import_onnx(QUICKSTART))
        yield Case("quickstart", lambda: import_onnx(QUICKSTART), reference, "any")
        yield Case("quickstart/dense", lambda: import_onnx(QUICKSTART), reference, "any", "dense")


def cmsis_cycles(graph: ir.Graph) -> float:
    """CMSIS-NN's dense kernels summed over ``graph``; operators that it has no kernel for count nothing."""
    total = 0.0
    for op in graph.ops:
        size = graph.tensors[op.output].size
        match op:
            case ir.Conv2D():
                kernel, inputs = op.weights.shape[1], op.weights.shape[-1]
                one_by_one = {16: 2.90, 64: 1.60, 96: 1.44, 128: 1.36}
                nearest = min(one_by_one, key=lambda known, inputs=inputs: (abs(known - inputs), known))
                per_mac = one_by_one[nearest] if kernel == 1 else 4.37 if inputs <= 3 else 1.79
                total += size * op.weights[0].size * per_mac
            case ir.DepthwiseConv2D():
                total += size * op.weights[..., 0].size * (7.07 if op.stride == (1, 1) else 7.41)
            case ir.Linear():
                rows = size // op.weights.shape[0]
                total += size * op.weights.shape[1] * (2.09 if rows > 1 else 2.19)
            case ir.BatchMatMul():
                total += op.batch * op.m * op.k * op.n * (2.01 if op.k >= op.n else 2.19)
            case ir.Softmax():
                total += size * 333
            case ir.Add():
                total += size * 61
    return total


def run_case(case: Case) -> tuple[FirmwareProfile, CompiledModel]:
    """Compile, check every output against the reference, and measure."""
    mcu = load_mcu("stm32f746")
    graph = case.graph()
    model = compile_graph(graph, mcu, EngineConfig(encoding=case.encoding), "bench")
    images = np.random.default_rng(0).integers(-128, 128, (IMAGES, *graph.tensors[graph.input].shape), np.int8)
    with tempfile.TemporaryDirectory() as scratch:
        directory = model.write(Path(scratch) / "bench")
        arena = None
        if case.activations == "sram":
            plan = model.schedule.plan
            fast = max((item.offset + item.size for item in plan.placements if not item.tensors), default=0)
            end = mcu.memories["dtcm"].end
            arena = LinkRegion("ARENA", (end - fast) // 32 * 32, plan.arena_bytes)
        elf = build_firmware(directory, mcu, arena=arena)
        run: FirmwareRun = run_firmware(elf, mcu, images, directory=directory)
        if not np.array_equal(run.outputs[0].reshape(IMAGES, -1), execute(graph, images).reshape(IMAGES, -1)):
            raise TinyFormerError(f"{case.name}: the firmware differs from the reference.")
        return profile_firmware(elf, mcu, run, directory=directory), model


def row_of(case: Case, metrics: FirmwareProfile, model: CompiledModel) -> dict[str, Any]:
    """The figures of one case, for the JSON file."""
    graph = model.schedule.graph
    work = {"macs": metrics.macs} if metrics.macs else {"elements": graph.tensors[graph.outputs[0]].size}
    return {
        "name": case.name,
        **work,
        "cycles": round(metrics.cycles),
        "reference_cycles": None if case.reference_cycles is None else round(case.reference_cycles),
        "latency_ms": round(metrics.latency_ms, 3),
        "flash_bytes": metrics.flash_bytes,
        "constants_bytes": metrics.constants_bytes,
        "kernels_bytes": metrics.kernels_bytes,
        "sram_bytes": metrics.sram_bytes,
        "kernels": sorted({f"{layer.kernel} {layer.encoding}".strip() for layer in metrics.layers}),
        "source": metrics.cycles_source,
    }


def _wanted(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def run_cases(patterns: list[str], console: Console) -> list[dict[str, Any]]:
    """Run the kernels and networks whose names match, and print their table."""
    table = Table(title="SparseEngine")
    for column in ("name", "cycles", "per MAC / element", "reference", "speed-up", "ms", "SRAM", "flash"):
        table.add_column(column, no_wrap=column == "name", justify="left" if column == "name" else "right")
    rows = []
    for case in [*kernel_cases(), *sparse_cases(), *model_cases()]:
        if not _wanted(case.name, patterns):
            continue
        with console.status(case.name):
            row = row_of(case, *run_case(case))
        rows.append(row)
        reference = row["reference_cycles"]
        table.add_row(
            case.name,
            f"{row['cycles']:,}",
            f"{row['cycles'] / row.get('macs', row.get('elements', 1)):.3f}",
            f"{reference:,}" if reference else "",
            f"{reference / row['cycles']:.2f}" if reference else "",
            f"{row['latency_ms']:.3f}",
            f"{row['sram_bytes']:,}",
            f"{row['flash_bytes']:,}",
        )
    if rows:
        console.print(table)
    return rows


def run_fixtures(patterns: list[str], console: Console) -> list[dict[str, Any]]:
    """Compare the fixture models whose names match, and print their table."""
    table = Table("model", "inputs", "exact, host", "exact, MCU", "top-1 as onnxruntime", "deviation", title="Fixtures")
    rows = []
    for name in FIXTURES:
        if not _wanted(f"fixture/{name}", patterns):
            continue
        with console.status(f"fixture/{name}"):
            found = compare(name, FIXTURE_INPUTS, FIXTURE_INPUTS_MCU)
        rows.append(asdict(found))
        table.add_row(
            name,
            f"{found.inputs:,}",
            f"{found.bit_exact_host:,}",
            f"{found.bit_exact_mcu} of {found.inputs_mcu}",
            f"{found.agreement_onnxruntime:.2%}",
            f"{found.largest_deviation_lsb:.0f} LSB, {found.mean_deviation_lsb:.2f} in the mean",
        )
    if rows:
        console.print(table)
    return rows


def main() -> None:
    """Run the cases whose names match, print the tables and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", default=["*"], help="shell patterns of case names")
    parser.add_argument("--output", type=Path, default=Path("outputs/bench/engine.json"))
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # onnxruntime's quantizer warns of every bias
    console = Console(width=None if sys.stdout.isatty() else 120)
    rows = run_cases(arguments.patterns, console)
    fixtures = run_fixtures(arguments.patterns, console)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    document = {"rows": rows, "fixtures": fixtures}
    arguments.output.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
