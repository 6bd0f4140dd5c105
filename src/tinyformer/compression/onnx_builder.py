# SPDX-License-Identifier: Apache-2.0
"""A short notation for building ONNX graphs node by node, with names that a reader of the file recognizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
"""The first operator set with a Gelu node."""

IR_VERSION = 9
"""The file format version that belongs to it; every onnxruntime since 1.17 reads it."""


class OnnxBuilder:
    """Collects nodes and constants; a node's output tensor bears the node's name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add an initializer and return its name."""
        if name in self._constants:
            raise ValueError(f"constant {name!r} exists already")
        self._constants[name] = numpy_helper.from_array(value.copy(order="C"), name)
        return name

    def node(self, operator: str, name: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node with one output and return the name of that output."""
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def reshape(self, name: str, x: str, shape: tuple[int, ...]) -> str:
        """Reshape; 0 keeps a dimension (the batch), -1 stands for what is left."""
        return self.node("Reshape", name, [x, self.constant(f"{name}.shape", np.array(shape, np.int64))])

    def transpose(self, name: str, x: str, permutation: tuple[int, ...]) -> str:
        """Permute the axes."""
        return self.node("Transpose", name, [x], perm=list(permutation))

    def model(
        self, name: str, inputs: dict[str, tuple[int | str, ...]], outputs: dict[str, tuple[int | str, ...]]
    ) -> onnx.ModelProto:
        """The finished float model, checked, with the shapes of all intermediate tensors."""
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in inputs.items()],
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in outputs.items()],
            list(self._constants.values()),
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="tinyformer"
        )
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        onnx.checker.check_model(model, full_check=True)
        return model
