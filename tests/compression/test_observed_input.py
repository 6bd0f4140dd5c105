# SPDX-License-Identifier: Apache-2.0
"""A network whose input has an observed range: its pixels reach the integer model as onnxruntime sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import pytest

from tinyformer.compression.onnx_builder import OnnxBuilder
from tinyformer.compression.onnx_runs import logits
from tinyformer.compression.quantize import quantize
from tinyformer.config.engine import EngineConfig
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.data.normalization import normalize
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.run.host import HostModel
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.onnx_metadata import write_metadata
from tinyformer.ir.pixels import PIXELS
from tinyformer.ir.reference import execute
from tinyformer.mcu.target import load_mcu


def network() -> onnx.ModelProto:
    """A convolution and a linear layer with random weights."""
    rng = np.random.default_rng(0)
    builder = OnnxBuilder()
    weights = builder.constant("conv.weight", rng.normal(0, 0.5, (8, 1, 3, 3)).astype(np.float32))
    x = builder.node("Conv", "conv", ["input", weights], strides=[2, 2], pads=[1, 1, 1, 1])
    x = builder.reshape("flat", builder.node("Relu", "relu", [x]), (0, -1))
    matrix = builder.constant("head.weight", rng.normal(0, 0.1, (10, 128)).astype(np.float32))
    x = builder.node("Gemm", "logits", [x, matrix, builder.constant("bias", np.zeros(10, np.float32))], transB=1)
    return builder.model("small", {"input": ("batch", 1, 8, 8)}, {x: ("batch", 10)})


@pytest.mark.parametrize("choice", ["pixel", "observed"])
def test_deployed_as_quantized(choice: Literal["pixel", "observed"], tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(60, 140, (64, 8, 8, 1)).astype(np.uint8)
    real = normalize(images).numpy()
    model = quantize(network(), real, QuantizationConfig(input=choice))
    write_metadata(model, PIXELS, [str(i) for i in range(10)])
    graph = import_onnx(model)
    assert np.array_equal(graph.input_rule.table(), np.arange(256) - 128) == (choice == "pixel")

    integers = execute(graph, graph.input_rule.from_pixels(images))
    output = graph.tensors[graph.outputs[0]]
    expected = np.rint(logits(model, real) / output.scale) + output.zero_point
    assert np.abs(integers - expected).max() <= 1
    package = compile_graph(graph, load_mcu("stm32f746"), EngineConfig(), "small").write(tmp_path / "small")
    host = HostModel(package)
    np.testing.assert_array_equal(host.run(host.package.input_rule.from_pixels(images)), integers)

    centred = execute(graph, (images.astype(np.int16) - 128).astype(np.int8))
    assert (np.abs(centred - expected).mean() > 5) == (choice == "observed"), "else this test could not tell"
