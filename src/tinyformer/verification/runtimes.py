# SPDX-License-Identifier: Apache-2.0
"""A model's own runtime, asked with the integers of the compiled graph and answering in its steps.

ONNX models run in onnxruntime with graph optimizations off, whose fused kernels saturate on processors without VNNI;
.tflite models in LiteRT's reference kernels, which define the operators.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph, Int8Array, Tensor
from tinyformer.ir.onnx_import.versions import OPSET, to_one_operator_set
from tinyformer.ir.tflite_import.network_builder import unique_names
from tinyformer.ir.tflite_import.reading import read

RealArray = NDArray[np.float64]
_PACKAGES = {".onnx": ("onnxruntime", "onnxruntime"), ".tflite": ("ai_edge_litert", "ai-edge-litert")}
"""Module and package of the runtime, by the file's ending."""


class NoRuntimeError(TinyFormerError):
    """The model's own runtime is missing, or cannot run the model: nothing can be compared."""


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """What a runtime raises as a :class:`NoRuntimeError` about the model file ``path``."""
    try:
        yield
    except TinyFormerError:
        raise
    except Exception as error:  # runtimes raise what their C++ gives them
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise NoRuntimeError(
            f"{path} cannot be verified, its own runtime refuses it ({reason}): compile with --verify 0, and compare "
            "its outputs on a computer that runs it."
        ) from error


class Runtime(ABC):
    """A session of the source model."""

    name: str
    """Of the runtime and how it is set up."""

    tensors: frozenset[str]
    """Names of the tensors that :meth:`values` knows."""

    types: tuple[Any, ...]
    """NumPy type of each input."""

    shapes: tuple[tuple[Any, ...], ...]
    """Shape of each input; what is no number is free."""

    path: Path

    def run(self, inputs: Sequence[NDArray[Any]]) -> tuple[list[NDArray[Any]], dict[str, NDArray[Any]]]:
        """One inference: outputs in order, and the tensors that were asked for at opening, by name.

        Raises:
            NoRuntimeError: the runtime gives up.
        """
        with _refusals(self.path):
            return self._run(inputs)

    @abstractmethod
    def _run(self, inputs: Sequence[NDArray[Any]]) -> tuple[list[NDArray[Any]], dict[str, NDArray[Any]]]:
        """:meth:`run`, with whatever the runtime raises."""


def is_installed(path: Path) -> bool:
    """Whether the runtime of the model file ``path`` can be imported."""
    return path.suffix.lower() in _PACKAGES and find_spec(_PACKAGES[path.suffix.lower()][0]) is not None


def open_runtime(path: Path, tensors: Sequence[str] = ()) -> Runtime:
    """The runtime of the model file ``path``, which also reports ``tensors`` (those that it has of them).

    Raises:
        NoRuntimeError: the runtime is not installed, or refuses the model.
    """
    if not is_installed(path):
        package = _PACKAGES.get(path.suffix.lower(), ("", "its runtime"))[1]
        raise NoRuntimeError(f"{path} cannot be verified: install {package}, or compile with --verify 0.")
    kind = _OnnxRuntime if path.suffix.lower() == ".onnx" else _LiteRuntime
    with _refusals(path):
        return kind(path, tensors)


def other_runtime(path: Path) -> Runtime | None:
    """A second set of kernels that may run the model, None where there is none.

    LiteRT's reference kernels define an operator, but some are wrong: the sum of INT8 numbers in 2.3.0 is noise.
    """
    if path.suffix.lower() != ".tflite":
        return None
    with _refusals(path):
        return _LiteRuntime(path, (), reference=False)


def source_inputs(graph: Graph, x: Int8Array) -> NDArray[Any]:
    """The input of one inference, of the graph's shape, with its axes in the order of the model's file."""
    axes = graph.axes.get(graph.input)
    return x if axes is None else x.transpose(np.argsort(axes))


def in_steps(values: NDArray[Any], tensor: Tensor) -> RealArray:
    """Real or integer ``values`` of the source as INT8 integers of ``tensor``, as its QuantizeLinear makes them.

    Real numbers are divided in binary32 and rounded half to even before the zero point is added; what is no number
    becomes the lowest, as in onnxruntime.
    """
    if values.dtype == np.uint8:
        return values.astype(np.float64) - 128
    if values.dtype == np.int8:
        return values.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.rint(values.astype(np.float32) / np.float32(tensor.scale)).astype(np.float64) + tensor.zero_point
    integers: RealArray = np.clip(np.nan_to_num(steps, nan=-128.0, posinf=127.0, neginf=-128.0), -128, 127)
    return integers


def as_source_type(x: Int8Array, kind: Any, scale: float, zero_point: int) -> NDArray[Any]:
    """Integers of the graph as the source takes them: real numbers, UINT8 or INT8."""
    if kind == np.uint8:
        return (x.astype(np.int16) + 128).astype(np.uint8)
    if kind == np.int8:
        return x
    real: NDArray[Any] = (np.float32(scale) * (x.astype(np.float32) - np.float32(zero_point))).astype(kind)
    return real


class _OnnxRuntime(Runtime):
    name = "onnxruntime without graph optimizations"

    def __init__(self, path: Path, tensors: Sequence[str]) -> None:
        self.path = path
        import onnxruntime  # noqa: PLC0415

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        source: Any = str(path)
        self._outputs = [value.name for value in onnx.load(path, load_external_data=False).graph.output]
        self.tensors = frozenset()
        if tensors:
            model = onnx.load(path)
            known = {name for node in model.graph.node for name in node.output}
            self.tensors = frozenset(tensors) & known
            extra = sorted(self.tensors - set(self._outputs))
            model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in extra)
            source = model.SerializeToString()
        providers = ["CPUExecutionProvider"]
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=providers)
        except onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph:
            # Its own quantizer writes quantizers with an axis into operator sets that do not have it yet.
            model = to_one_operator_set(onnx.load(path) if isinstance(source, str) else onnx.load_from_string(source))
            self._session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)
            self.name = f"{self.name}, converted to operator set {OPSET}"
        self._inputs = [(value.name, value.shape) for value in self._session.get_inputs()]
        self.shapes = tuple(tuple(shape) for _, shape in self._inputs)
        self.types = tuple(_ONNX_TYPES.get(value.type, np.float32) for value in self._session.get_inputs())

    def _run(self, inputs: Sequence[NDArray[Any]]) -> tuple[list[NDArray[Any]], dict[str, NDArray[Any]]]:
        names = [*self._outputs, *sorted(self.tensors - set(self._outputs))]
        fed = {name: _batched(values, shape) for (name, shape), values in zip(self._inputs, inputs, strict=True)}
        values = dict(zip(names, self._session.run(names, fed), strict=True))
        return [values[name] for name in self._outputs], {name: values[name] for name in self.tensors}


_ONNX_TYPES = {
    "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(float16)": np.float16, "tensor(double)": np.float64,
}  # fmt: skip


def _batched(values: NDArray[Any], shape: Sequence[Any]) -> NDArray[Any]:
    """One image as often as the file's fixed batch says."""
    batch = shape[0] if len(shape) == values.ndim and shape and isinstance(shape[0], int) else len(values)
    return np.ascontiguousarray(values if len(values) == batch else np.repeat(values, batch, 0))


class _LiteRuntime(Runtime):
    def __init__(self, path: Path, tensors: Sequence[str], *, reference: bool = True) -> None:
        self.path = path
        from ai_edge_litert import interpreter  # noqa: PLC0415

        kinds = interpreter.OpResolverType
        self.name = "LiteRT's reference kernels" if reference else "LiteRT's optimized kernels"
        model = read(path, None)
        names = unique_names(model.tensors)
        self._interpreter = interpreter.Interpreter(
            model_path=str(path),
            experimental_op_resolver_type=kinds.BUILTIN_REF if reference else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=bool(tensors),
        )
        self._interpreter.allocate_tensors()
        self._inputs, self._outputs = model.inputs, model.outputs
        self.types = tuple(model.tensors[index].dtype for index in model.inputs)
        self.shapes = tuple(model.tensors[index].shape for index in model.inputs)
        self._index = {name: i for i, name in enumerate(names)}
        self.tensors = frozenset(tensors) & frozenset(names)

    def _run(self, inputs: Sequence[NDArray[Any]]) -> tuple[list[NDArray[Any]], dict[str, NDArray[Any]]]:
        for index, values in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(index, np.ascontiguousarray(values))
        self._interpreter.invoke()
        outputs = [self._interpreter.get_tensor(index) for index in self._outputs]
        return outputs, {name: self._interpreter.get_tensor(self._index[name]) for name in self.tensors}
