# SPDX-License-Identifier: Apache-2.0
"""Builds small QDQ models operator by operator, and runs them in onnxruntime and in the reference executor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tinyformer.ir.graph import Graph
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute

Array = NDArray[Any]


class QdqModel:
    """A model under construction. Tensors that are quantized get their scale from what they take on random inputs."""

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        kind: type[np.int8] | type[np.uint8] = np.int8,
        seed: int = 0,
        opset: int = 20,
        images: int = 4,
        quantize_input: bool = True,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.kind = kind
        self.opset = opset
        self.shape = shape
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        zero_point = int(self.rng.integers(-20, 20)) + (128 if kind is np.uint8 else 0)
        self.input_scale, self.input_zero_point = 0.02, zero_point
        self.integers = self.rng.integers(-128, 128, (images, *shape[1:])).astype(np.int8)
        self.input = "x"
        if quantize_input:
            self.input = self.quantized("x", scale=self.input_scale, zero_point=zero_point)

    @property
    def real_input(self) -> NDArray[np.float32]:
        """The images in real numbers, NCHW."""
        zero_point = self.input_zero_point - (128 if self.kind is np.uint8 else 0)
        return (self.integers.astype(np.float32) - zero_point) * np.float32(self.input_scale)

    def constant(self, value: Array, name: str = "c") -> str:
        """An initializer."""
        unique = f"{name}{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), unique))
        if np.ndim(value) == 0:
            del self.initializers[-1].dims[:]
        return unique

    def node(self, operator: str, inputs: list[str], outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        """A float node; returns its output's name, or a list of names."""
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, names, name=name, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def weight(self, shape: tuple[int, ...], axis: int | None = 0, spread: float = 0.1) -> str:
        """INT8 weights and their DequantizeLinear, per channel of ``axis`` or (None) per tensor."""
        scale = self.rng.uniform(0.3, 1, shape[axis] if axis is not None else ()) * spread / 64
        integers = self.rng.integers(-127, 128, shape).astype(np.int8)
        inputs = [
            self.constant(integers, "w"),
            self.constant(np.asarray(scale, np.float32), "s"),
            self.constant(np.zeros_like(scale, np.int8), "z"),
        ]
        return self.node("DequantizeLinear", inputs, **({} if axis is None else {"axis": axis}))

    def random(self, shape: tuple[int, ...], spread: float = 1.0) -> str:
        """Float constants."""
        return self.constant((self.rng.normal(size=shape) * spread).astype(np.float32))

    def quantized(self, tensor: str, *, scale: float | None = None, zero_point: int | None = None) -> str:
        """QuantizeLinear and DequantizeLinear behind ``tensor``; the scale covers the values it takes."""
        if scale is None or zero_point is None:
            values = self.run(tensor, self.real_input)
            low, high = min(0.0, float(values.min())), max(0.0, float(values.max()), 1e-3)
            scale = (high - low) / 255
            zero_point = round(-low / scale) - (0 if self.kind is np.uint8 else 128)
        parameters = [self.constant(np.array(scale, np.float32)), self.constant(np.array(zero_point, self.kind))]
        q = self.node("QuantizeLinear", [tensor, *parameters])
        return self.node("DequantizeLinear", [q, *parameters])

    def operator(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        """A node and the quantization of its output."""
        return self.quantized(self.node(operator, inputs, **attributes))

    def model(self, *outputs: str) -> onnx.ModelProto:
        """The finished model."""
        graph = helper.make_graph(
            self.nodes,
            "test",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *self.shape[1:]])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    def run(self, output: str, images: NDArray[np.float32]) -> Array:
        """``output`` in onnxruntime, image by image, without its optimizations (they may round differently)."""
        return run_onnx(self.model(output), images)


def small_model() -> onnx.ModelProto:
    """A convolution and what a transformer consists of."""
    m = QdqModel((1, 3, 6, 6))
    y = m.operator("Relu", [m.operator("Conv", [m.input, m.weight((4, 3, 3, 3)), m.random((4,))])])
    y = m.node("Transpose", [m.node("Reshape", [y, m.constant(np.array([0, 4, 16]))])], perm=[0, 2, 1])
    y = m.operator("LayerNormalization", [y, m.random((4,)), m.random((4,))])
    y = m.operator("Softmax", [m.operator("MatMul", [y, m.weight((4, 5), 1)])])
    return m.model(m.operator("Concat", [y, m.operator("Sigmoid", [y])], axis=2))


def run_onnx(model: onnx.ModelProto | Path, images: NDArray[np.float32]) -> Array:
    """The first output for every image (N, ...), computed in float between every Q and DQ."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.stack([session.run(None, {name: image[None]})[0] for image in images])


def compare(model: QdqModel, output: str, *, varied: bool = True) -> tuple[Graph, float]:
    """Import the model; the graph and the largest deviation from onnxruntime in LSB of the output.

    ``varied`` asserts that the output takes more than a few values.
    """
    real = model.run(output, model.real_input)
    graph = import_onnx(model.model(output))
    integers = model.integers.transpose(graph.axes[graph.input]) if model.integers.ndim == 4 else model.integers
    y = execute(graph, integers)
    tensor = graph.tensors[graph.outputs[0]]
    mine = (y.astype(np.float64) - tensor.zero_point) * tensor.scale
    theirs = real.reshape(len(real), *real.shape[2:])
    if theirs.ndim == 4:
        theirs = theirs.transpose(graph.axes[graph.outputs[0]])
    assert mine.shape == theirs.shape
    assert not varied or len(np.unique(y)) > 3, "the test must exercise the range"
    return graph, float(np.abs(mine - theirs).max() / tensor.scale)
