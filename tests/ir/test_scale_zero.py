# SPDX-License-Identifier: Apache-2.0
"""Weights with a scale of 0 are zeros, whatever integers stand there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute


def test_channels_of_scale_0_make_nothing_but_their_bias(tmp_path: Path) -> None:
    weights, scales = np.ones((2, 3, 1, 1), np.int8), np.array([0.0, 0.25], np.float32)
    constants = {
        "scale": np.float32(0.5),
        "zero": np.int8(0),
        "w": weights,
        "ws": scales,
        "wz": np.zeros(2, np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("Conv", ["d", "wd"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", "scale", "zero"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "scale", "zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "scale_zero",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 4, 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 2, 4, 4))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    images = np.full((1, 4, 4, 3), 8, np.int8)
    outputs = execute(import_onnx(path), images).reshape(-1, 2)
    assert (outputs == [0, 6]).all()
