# SPDX-License-Identifier: Apache-2.0
"""Whole fixture models: reference, C on the host and simulated firmware to the bit, and how close onnxruntime is."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from benchmarks.models import build, images
from tinyformer.compression.onnx_runs import logits
from tinyformer.config.engine import EngineConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.run.firmware import build_firmware, run_firmware
from tinyformer.engine.run.host import HostModel
from tinyformer.ir.graph import Graph
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute
from tinyformer.mcu.target import load_mcu

SEED = 7
"""Other images than those that the fixtures are trained and calibrated with."""


@dataclass(frozen=True)
class Agreement:
    """What was found on one model.

    ``largest_deviation_lsb`` and ``mean_deviation_lsb`` compare the outputs with onnxruntime's, in steps of the
    output's scale; ``agreement_onnxruntime`` is the fraction of inputs with the same largest output.
    """

    name: str
    inputs: int
    bit_exact_host: int
    inputs_mcu: int
    bit_exact_mcu: int
    agreement_onnxruntime: float
    largest_deviation_lsb: float
    mean_deviation_lsb: float


def compare(name: str, inputs: int, inputs_mcu: int, mcu_name: str = "stm32f746") -> Agreement:
    """Run the fixture ``name`` on ``inputs`` synthetic inputs, on ``inputs_mcu`` of them in the simulator."""
    mcu = load_mcu(mcu_name)
    x, _ = images(name, inputs, SEED)
    with tempfile.TemporaryDirectory() as scratch:
        path = build(name, Path(scratch) / "model.onnx")
        graph = import_onnx(path)
        integers = quantized(x, graph)
        expected = np.concatenate([execute(graph, part) for part in np.array_split(integers, -(-inputs // 50))])
        expected = expected.reshape(inputs, -1)
        package = compile_graph(graph, mcu, EngineConfig(), "fixture").write(Path(scratch) / "fixture")
        on_host = HostModel(package).run(integers).reshape(inputs, -1)
        run = run_firmware(build_firmware(package, mcu), mcu, integers[:inputs_mcu], directory=package)
        on_mcu = run.outputs[0].reshape(inputs_mcu, -1)
        theirs = logits(onnx.load(path), x).reshape(inputs, -1)
    y = graph.tensors[graph.outputs[0]]
    mine = (expected.astype(np.float64) - y.zero_point) * y.scale
    deviation = np.abs(mine - theirs) / y.scale
    return Agreement(
        name=name,
        inputs=inputs,
        bit_exact_host=int((on_host == expected).all(axis=1).sum()),
        inputs_mcu=inputs_mcu,
        bit_exact_mcu=int((on_mcu == expected[:inputs_mcu]).all(axis=1).sum()),
        agreement_onnxruntime=float(np.mean(mine.argmax(axis=1) == theirs.argmax(axis=1))),
        largest_deviation_lsb=float(deviation.max()),
        mean_deviation_lsb=float(deviation.mean()),
    )


def quantized(x: np.ndarray, graph: Graph) -> np.ndarray:
    """Real inputs (N, C, H, W) or (N, features) as int8, channels last."""
    integers = graph.input_rule.from_real(x)
    return integers.transpose(0, 2, 3, 1) if x.ndim == 4 else integers
