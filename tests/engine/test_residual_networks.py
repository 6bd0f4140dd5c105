# SPDX-License-Identifier: Apache-2.0
"""Residual and bottleneck blocks, pooled stages and encoders, pruned, to the chip: all executions agree to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.compression.networks import random_images, random_subnet, residual_hybrid
from tinyformer.compression.export import to_float_onnx
from tinyformer.compression.quantize import quantize
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.run.firmware import build_firmware, run_firmware
from tinyformer.engine.run.host import HostModel
from tinyformer.ir import graph as ir
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute
from tinyformer.nets.pruning import apply_masks, block_sparsity, make_masks
from tinyformer.nets.spec import Activation, LayerSparsity, weighted_layers


@pytest.mark.parametrize("activation", ["relu", "hardswish"])
def test_a_sparse_residual_hybrid_agrees_three_ways(activation: Activation, mcu: McuConfig, tmp_path: Path) -> None:
    spec = residual_hybrid(activation)
    subnet = random_subnet(spec)
    plan = {layer.name: LayerSparsity((2, 2), 0.75) for layer in weighted_layers(spec) if layer.prunable}
    apply_masks(subnet, make_masks(subnet.state_dict(), plan, "l2"))
    assert block_sparsity(subnet.state_dict(), spec, plan) > 0.74
    images = random_images(32, spec).numpy()
    graph = import_onnx(quantize(to_float_onnx(subnet), images, QuantizationConfig()))
    assert sum(isinstance(op, ir.MaxPool2D) for op in graph.ops) == 1
    pixels = np.round(images[:4] * 128).astype(np.int8).transpose(0, 2, 3, 1)
    expected = execute(graph, pixels)
    assert len(np.unique(expected)) > 10
    model = compile_graph(graph, mcu, EngineConfig(), "residual")
    assert "conv_sparse" in {step.implementation.kernel for step in model.schedule.steps}
    package = model.write(tmp_path / "residual")
    np.testing.assert_array_equal(HostModel(package, sanitize="undefined").run(pixels), expected)
    run = run_firmware(build_firmware(package, mcu), mcu, pixels, directory=package, mode="functional")
    np.testing.assert_array_equal(run.outputs[0], expected)
