# SPDX-License-Identifier: Apache-2.0
"""The flatbuffer of a .tflite file as plain dataclasses."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from tinyformer.errors import TinyFormerError

_DTYPES: dict[int, type[np.generic]] = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.INT8: np.int8,
    tflite.TensorType.UINT8: np.uint8,
    tflite.TensorType.INT16: np.int16,
    tflite.TensorType.INT32: np.int32,
    tflite.TensorType.INT64: np.int64,
    tflite.TensorType.BOOL: np.bool_,
    tflite.TensorType.UINT16: np.uint16,
    tflite.TensorType.UINT32: np.uint32,
    tflite.TensorType.UINT64: np.uint64,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.FLOAT64: np.float64,
}
_TYPE_NAMES: dict[int, str] = {code: name for name, code in vars(tflite.TensorType).items() if isinstance(code, int)}
_OPERATOR_NAMES: dict[int, str] = {
    code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)
}
_ACTIVATION_NAMES: dict[int, str] = {
    code: name for name, code in vars(tflite.ActivationFunctionType).items() if isinstance(code, int)
}
_OPTION_CLASSES: dict[int, str] = {
    code: name for name, code in vars(tflite.BuiltinOptions).items() if isinstance(code, int)
}
_DAMAGE = (struct.error, ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, UnicodeError, ValueError)
"""What reading a damaged flatbuffer raises."""


_VECTORS = ("AsNumpy", "Length", "IsNone")
"""Endings of accessors of vectors; what vectors say (shapes) stands in the tensors, too."""
_HARMLESS = {
    "AsymmetricQuantizeInputs",
    "KeepNumDims",
    "PotScaleInt16",
    "QuantizedBiasType",
    "OutType",
    "InDataType",
    "OutDataType",
    "ValidateIndices",
    "ValuesCount",
}
"""Fields that say nothing about an INT8 operator, or what the tensors' shapes and types say as well."""


@dataclass(frozen=True)
class TfliteTensor:
    name: str
    shape: tuple[int, ...]
    dtype: type[np.generic]
    scale: NDArray[np.float64]
    zero_point: NDArray[np.int64]
    axis: int
    value: NDArray[Any] | None
    """The constant, or None for an activation."""
    kind: str = "INT8"
    """Name of the element type, also where NumPy has none for it (RESOURCE, STRING, ...)."""
    is_state: bool = False
    """Whether it keeps its value from one inference to the next."""


@dataclass(frozen=True)
class TfliteOperator:
    """An operator by its builtin name; ``inputs`` and ``outputs`` index the tensors, -1 is an omitted input."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any
    """The generated options object, or None."""
    read: set[str] = field(default_factory=set, compare=False)
    """Fields of the options that were asked for."""
    dilated: Any = None
    """What takes the place of padding and dilation (:mod:`.spaces`), or None."""

    def unread(self) -> dict[str, Any]:
        """Fields of the options that are set and that nobody asked for: their meaning would be lost."""
        if self.options is None:
            return {}
        accessors = vars(type(self.options))
        names = [
            name
            for name, accessor in accessors.items()
            if callable(accessor) and name[0].isupper() and name != "Init" and not name.startswith("GetRootAs")
        ]
        scalars = [name for name in names if not name.endswith(_VECTORS) and f"{name}Length" not in accessors]
        return {
            name: value
            for name in scalars
            if name not in self.read | _HARMLESS and "Identifier" not in name and (value := self.option(name, 0))
        }

    def option(self, name: str, default: Any) -> Any:
        """Field ``name`` of the options, or ``default`` where there are none."""
        self.read.add(name)
        try:
            return default if self.options is None else getattr(self.options, name)()
        except struct.error as error:  # the options point outside the file
            raise ValueError(f"damaged options of {self.kind}") from error

    @property
    def activation(self) -> str:
        """The fused activation: NONE, RELU, RELU6, ..."""
        return _ACTIVATION_NAMES[self.option("FusedActivationFunction", 0)]


@dataclass(frozen=True)
class TfliteModel:
    """The main subgraph."""

    name: str
    tensors: list[TfliteTensor]
    operators: list[TfliteOperator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    sha256: str = ""
    """Of the file."""


def read(source: str | Path | bytes, name: str | None) -> TfliteModel:
    """Parse a file or its content. Raises :class:`TinyFormerError` if it is missing or damaged."""
    if isinstance(source, bytes):
        content, label = source, "the model"
    else:
        path = Path(source)
        if not path.is_file():
            raise TinyFormerError(f"{path} does not exist or is not a file: give the path of a .tflite model")
        content, label = path.read_bytes(), str(path)
        name = name or path.stem
    try:
        if not tflite.Model.ModelBufferHasIdentifier(content, 0):
            raise ValueError("no TFL3 identifier")
        model = _parse(tflite.Model.GetRootAsModel(content, 0), name or "model")
    except _DAMAGE as error:
        raise TinyFormerError(
            f"{label} is not a TensorFlow Lite model or is damaged ({error}): convert it again"
        ) from error
    return replace(model, sha256=hashlib.sha256(content).hexdigest())


def _parse(model: Any, name: str) -> TfliteModel:
    if model.SubgraphsLength() < 1:
        raise ValueError("no subgraph")
    graph = model.Subgraphs(0)
    tensors = [_tensor(model, graph.Tensors(i)) for i in range(graph.TensorsLength())]
    operators = [_operator(model, graph.Operators(i), len(tensors)) for i in range(graph.OperatorsLength())]
    if not operators:
        raise ValueError("no operators")
    inputs, outputs = _indices(graph.InputsAsNumpy(), len(tensors)), _indices(graph.OutputsAsNumpy(), len(tensors))
    return TfliteModel(name, tensors, _needed(operators, outputs), inputs, outputs)


def _needed(operators: Sequence[TfliteOperator], outputs: Sequence[int]) -> list[TfliteOperator]:
    """Those of ``operators``, in execution order, that ``outputs`` depend on."""
    wanted, kept = set(outputs), []
    for operator in reversed(operators):
        if wanted.intersection(operator.outputs):
            wanted.update(operator.inputs)
            kept.append(operator)
    return kept[::-1]


def _tensor(model: Any, tensor: Any) -> TfliteTensor:
    shape = tuple(int(size) for size in _array(tensor.ShapeAsNumpy()))
    kind = _TYPE_NAMES.get(tensor.Type())
    if kind is None:
        raise ValueError(f"tensor type {tensor.Type()}")
    dtype = _DTYPES.get(tensor.Type(), np.void)
    quantization = tensor.Quantization()
    scale, zero_point, axis = np.zeros(0), np.zeros(0, np.int64), 0
    if quantization is not None:
        scale = _array(quantization.ScaleAsNumpy()).astype(np.float64)
        zero_point = _array(quantization.ZeroPointAsNumpy()).astype(np.int64)
        axis = quantization.QuantizedDimension()
    data = _array(model.Buffers(tensor.Buffer()).DataAsNumpy())
    value = None
    if data.size and dtype is not np.void:
        value = np.frombuffer(data.astype(np.uint8).tobytes(), np.dtype(dtype).newbyteorder("<")).reshape(shape)
    label = (tensor.Name() or b"").decode().split(";")[0]
    return TfliteTensor(label, shape, dtype, scale, zero_point, axis, value, kind, bool(tensor.IsVariable()))


def _operator(model: Any, operator: Any, tensors: int) -> TfliteOperator:
    code = model.OperatorCodes(operator.OpcodeIndex())
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    kind = _OPERATOR_NAMES.get(builtin, f"operator {builtin}")
    if kind == "CUSTOM" and code.CustomCode():
        kind = f"CUSTOM {code.CustomCode().decode()}"
    options, table = None, operator.BuiltinOptions()
    option_class = getattr(tflite, _OPTION_CLASSES.get(operator.BuiltinOptionsType(), ""), None)
    if table is not None and option_class is not None:
        options = option_class()
        options.Init(table.Bytes, table.Pos)
    inputs, outputs = _indices(operator.InputsAsNumpy(), tensors), _indices(operator.OutputsAsNumpy(), tensors)
    return TfliteOperator(kind, inputs, outputs, options)


def _array(values: Any) -> NDArray[Any]:
    """Generated accessors return 0 for vectors that are not there."""
    return np.zeros(0) if isinstance(values, int) else np.asarray(values)


def _indices(values: Any, tensors: int) -> tuple[int, ...]:
    indices: Sequence[int] = [int(i) for i in _array(values)]
    if any(not -1 <= i < tensors for i in indices):
        raise ValueError("an operator refers to a tensor that does not exist")
    return tuple(indices)
