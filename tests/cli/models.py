# SPDX-License-Identifier: Apache-2.0
"""Model files for the command line."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper


def save_onnx(path: Path, nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto] = ()) -> None:  # type: ignore[assignment]
    """A model from ``x`` (1, 4, 8, 8) to ``y``."""
    graph = helper.make_graph(
        nodes,
        "bad",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 8, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializers,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


def quantization() -> list[onnx.TensorProto]:
    return [
        helper.make_tensor("scale", TensorProto.FLOAT, (), [0.1]),
        helper.make_tensor("zero", TensorProto.INT8, (), [0]),
    ]


def small_model(directory: Path) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("MaxPool", ["d"], ["m"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("QuantizeLinear", ["m", "scale", "zero"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "scale", "zero"], ["y"]),
    ]
    save_onnx(directory / "model.onnx", nodes, quantization())
