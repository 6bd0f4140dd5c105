# SPDX-License-Identifier: Apache-2.0
"""Builds small INT8 TensorFlow Lite models operator by operator, and runs them in LiteRT's reference kernels."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import interpreter
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tinyformer.ir.graph import Graph
from tinyformer.ir.reference import execute
from tinyformer.ir.tflite_import import import_tflite

Array = NDArray[Any]

_TYPES = {
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int16): schema.TensorType.INT16,
}

_VERSIONS = {
    "FULLY_CONNECTED": 5,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "HARD_SWISH": 1,
    "ELU": 1,
    "RESHAPE": 1,
    "PRELU": 1,
}
"""The first versions of operators with INT8 kernels; 2 where nothing is said."""

SAME, VALID = 0, 1
RELU, RELU_N1_TO_1, RELU6 = 1, 2, 3


class TfliteModel:
    """A model under construction; tensors are indices."""

    def __init__(self, shape: tuple[int, ...], *, seed: int = 0, scale: float = 0.02, zero_point: int = -3) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[Any] = []
        self.buffers: list[Any] = [schema.BufferT()]
        self.shape = shape
        self.input = self.tensor(shape, np.int8, scale, zero_point)
        self.images = self.rng.integers(-128, 128, (3, *shape[1:])).astype(np.int8)

    def tensor(
        self,
        shape: tuple[int, ...],
        dtype: Any,
        scale: float | Array | None = None,
        zero_point: int = 0,
        *,
        axis: int = 0,
        value: Array | None = None,
    ) -> int:
        """Declare a tensor; with ``value``, a constant."""
        tensor = schema.TensorT()
        tensor.name = f"t{len(self.tensors)}".encode()
        tensor.shape = list(shape)
        tensor.type = _TYPES[np.dtype(dtype)]
        if scale is not None:
            quantization = schema.QuantizationParametersT()
            quantization.scale = [float(s) for s in np.atleast_1d(scale)]
            quantization.zeroPoint = [zero_point] * len(quantization.scale)
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        if value is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(value.tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, value: Any, dtype: Any = np.int32) -> int:
        """Integer parameters."""
        array = np.asarray(value, dtype)
        return self.tensor(array.shape, dtype, value=array)

    def scale(self, tensor: int) -> float:
        return self.tensors[tensor].quantization.scale[0]

    def weights(self, shape: tuple[int, ...], axis: int, x: int) -> tuple[int, int]:
        """INT8 weights, per channel of ``axis``, and the bias that goes with input ``x``."""
        scale = self.rng.uniform(0.5, 1, shape[axis]) * 0.003
        w = self.tensor(shape, np.int8, scale, axis=axis, value=self.rng.integers(-127, 128, shape).astype(np.int8))
        bias = self.rng.integers(-2000, 2000, shape[axis]).astype(np.int32)
        return w, self.tensor(bias.shape, np.int32, scale * self.scale(x), value=bias)

    def operator(
        self,
        kind: str,
        inputs: list[int],
        shape: tuple[int, ...],
        scale: float = 0.02,
        zero_point: int = 5,
        *,
        options: str = "",
        **fields: Any,
    ) -> int:
        """An operator with one INT8 output; ``fields`` go into the options object of class ``options``T."""
        y = self.tensor(shape, np.int8, scale, zero_point)
        self.raw_operator(kind, inputs, [y], options=options, **fields)
        return y

    def raw_operator(
        self, kind: str, inputs: list[int], outputs: list[int], *, options: str = "", **fields: Any
    ) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = _VERSIONS.get(kind, 2)
        self.codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.codes) - 1
        operator.inputs, operator.outputs = inputs, outputs
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")()
            for name, value in fields.items():
                setattr(operator.builtinOptions, name, value)
        self.operators.append(operator)

    def content(self, *outputs: int) -> bytes:
        """The finished file."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [self.input], list(outputs)
        model = schema.ModelT()
        model.version = 3
        model.subgraphs, model.operatorCodes, model.buffers = [graph], self.codes, self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def conv(
    m: TfliteModel, x: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int = SAME, **fields: Any
) -> int:
    """CONV_2D with per-channel weights."""
    _, h, w, inputs = m.tensors[x].shape
    shape = [-(-size // stride) if padding == SAME else (size - kernel) // stride + 1 for size in (h, w)]
    weights, bias = m.weights((outputs, kernel, kernel, inputs), 0, x)
    return m.operator(
        "CONV_2D", [x, weights, bias], (1, *shape, outputs), options="Conv2DOptions", padding=padding, strideH=stride,
        strideW=stride, **fields,
    )  # fmt: skip


def small_tflite() -> bytes:
    """Two convolutions and a concatenation."""
    m = TfliteModel((1, 8, 8, 3))
    y = conv(m, conv(m, m.input, 4), 4)
    return m.content(m.operator("CONCATENATION", [y, y], (1, 8, 8, 8), options="ConcatenationOptions", axis=3))


def run_tflite(content: bytes, images: Array) -> Array:
    """The first output for every image, as integers."""
    runner = interpreter.Interpreter(
        model_content=content, experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_REF
    )
    runner.allocate_tensors()
    source, result = runner.get_input_details()[0]["index"], runner.get_output_details()[0]["index"]
    outputs = []
    for image in images:
        runner.set_tensor(source, image[None])
        runner.invoke()
        outputs.append(runner.get_tensor(result)[0])
    return np.stack(outputs)


def compare(model: TfliteModel, output: int) -> tuple[Graph, int]:
    """Import the model; the graph and the largest deviation from LiteRT in LSB."""
    content = model.content(output)
    theirs = run_tflite(content, model.images)
    graph = import_tflite(content)
    mine = execute(graph, model.images)
    assert mine.shape == theirs.shape
    assert len(np.unique(mine)) > 3, "the test must exercise the range"
    return graph, int(np.abs(mine.astype(int) - theirs).max())
