# SPDX-License-Identifier: Apache-2.0
"""The model as text for the templates: layers, constants and tensors as text, computed from steps and plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinyformer.engine.emit.c_text import array_rows, comment, literal
from tinyformer.engine.packing import Call, Constant
from tinyformer.engine.packing.description import FieldValue
from tinyformer.engine.schedule.outputs import output_slots
from tinyformer.engine.schedule.patches import origin
from tinyformer.engine.schedule.planner import MemoryPlan
from tinyformer.engine.schedule.steps import Schedule, Step
from tinyformer.ir.graph import Graph, Tensor


@dataclass(frozen=True)
class FieldView:
    """A member of a parameter struct and its initializer."""

    name: str
    value: str


@dataclass(frozen=True)
class CallView:
    """One kernel call of a layer."""

    function: str
    struct: str
    params: str
    fields: tuple[FieldView, ...]
    arguments: str


@dataclass(frozen=True)
class LayerView:
    """One function of the generated source."""

    index: int
    title: str
    details: tuple[str, ...]
    signature: str
    arguments: str
    calls: tuple[CallView, ...]


@dataclass(frozen=True)
class ConstantView:
    """An array in flash; ``rows`` are its elements as text."""

    symbol: str
    type: str
    length: int
    alignment: int
    comment: str
    rows: str


@dataclass(frozen=True)
class TensorView:
    """Input or output of the network. ``offset`` is the place of an output in the caller's buffer."""

    shape: tuple[int, ...]
    size: int
    scale: str
    zero_point: int
    offset: int
    axes: tuple[int, ...] = ()
    """The axes of the model file's tensor that the shape's are, where they are known."""

    @property
    def describe(self) -> str:
        """Shape, layout and quantization in words."""
        shape = " x ".join(map(str, self.shape))
        if self.axes:
            shape += f" (axes {', '.join(map(str, self.axes))} of the model's tensor)"
        return f"int8 {shape}, scale {self.scale}, zero point {self.zero_point}"


def tensor_view(tensor: Tensor, offset: int = 0, axes: tuple[int, ...] = ()) -> TensorView:
    """``tensor``, whose axes are ``axes`` of the model's, without its leading 1, which is the batch."""
    first = int(tensor.shape[:1] == (1,) and len(tensor.shape) > 1)
    scale = float_literal(tensor.scale)
    return TensorView(tensor.shape[first:], tensor.size, scale, tensor.zero_point, offset, axes[first:])


def output_views(graph: Graph) -> list[TensorView]:
    """The outputs, at their offsets in the caller's buffer."""
    tensors = [graph.tensors[name] for name in graph.outputs]
    slots = output_slots(tensor.size for tensor in tensors)
    return [
        tensor_view(tensor, offset, graph.axes.get(tensor.name, ()))
        for tensor, (offset, _) in zip(tensors, slots, strict=True)
    ]


def float_literal(value: float) -> str:
    """The shortest decimal text of the nearest binary32 number, as a C literal without suffix."""
    text = str(np.float32(value))
    return text if any(character in text for character in ".en") else f"{text}.0"


class Layers:
    """The layer functions, and the constants they share."""

    def __init__(self, schedule: Schedule, name: str) -> None:
        self.graph = schedule.graph
        self.plan = schedule.plan
        self.name = name
        self.arrays: list[ConstantView] = []
        self._symbols: dict[tuple[str, str, bytes], str] = {}
        self._external = {**_external_tensors(self.graph, self.plan), **self._constant_tensors(schedule)}
        self.views = [self._layer(index, step) for index, step in enumerate(schedule.layers)]

    def _layer(self, index: int, step: Step) -> LayerView:
        op = step.op
        calls = tuple(self._call(index, number, step, call) for number, call in enumerate(step.calls))
        text = " ".join(call.arguments for call in calls)
        used = [
            (declaration, argument)
            for word, declaration, argument in (
                ("arena +", "int8_t *arena", "(int8_t *)arena"),
                ("in +", "const int8_t *in", "in"),
                ("out +", "int8_t *out", "out"),
            )
            if f" {word}" in text
        ]
        return LayerView(
            index=index,
            title=comment(f"{op.name}, {type(op).__name__}, {_kernel_text(step)}"),
            details=tuple(comment(line) for line in self._details(step)),
            signature=", ".join(declaration for declaration, _ in used),
            arguments=", ".join(argument for _, argument in used),
            calls=calls,
        )

    def _details(self, step: Step) -> list[str]:
        op = step.op
        lines = [f"{self._describe(name)}" for name in op.inputs]
        lines.append(f"-> {self._describe(op.output)}")
        if step.macs:
            lines.append(f"{step.macs:,} multiply-accumulates when dense, {step.zero_fraction:.1%} of the weights zero")
        stored, scratch = step.implementation.constant_bytes, step.implementation.scratch_bytes
        lines.append(f"{stored:,} bytes of constants, {scratch:,} bytes of scratch")
        return lines

    def _describe(self, name: str) -> str:
        tensor = self.graph.tensors[name]
        return f"{name} ({', '.join(map(str, tensor.shape))})"

    def _call(self, index: int, number: int, step: Step, call: Call) -> CallView:
        params = "params" if len(step.calls) == 1 else f"params_{number}"
        prefix = f"{self.name}_layer_{index}" + ("" if params == "params" else f"_{number}")
        fields = tuple(
            FieldView(member, self._initializer(value, f"{prefix}_{member}", step))
            for member, value in call.fields.items()
        )
        tensors = [*(step.op.inputs[position] for position in call.inputs), step.op.output]
        pointers = [self._pointer(name) for name in tensors]
        scratch = f"arena + {self.plan.scratch[step.op.name]}" if step.implementation.scratch_bytes else "NULL"
        arguments = ", ".join([f"&{params}", *pointers, scratch])
        return CallView(f"{self.name}_tf_{call.function}", call.struct, params, fields, arguments)

    def _initializer(self, value: FieldValue, symbol: str, step: Step) -> str:
        if isinstance(value, Constant):
            return self._array(value, symbol, step.op.name)
        if isinstance(value, tuple):
            return "{" + ", ".join(literal(int(item)) for item in value) + "}"
        return literal(int(value))

    def _constant_tensors(self, schedule: Schedule) -> dict[str, str]:
        """Arrays of the tensors that kernels read in flash; returns their symbols by tensor."""
        symbols: dict[str, str] = {}
        for name, value in schedule.used_constants.items():
            symbols[name] = f"{self.name}_constant_{len(symbols)}"
            self._array(Constant(value), symbols[name], f"{name} {tuple(value.shape)}")
        return symbols

    def _array(self, constant: Constant, symbol: str, text: str) -> str:
        """The symbol of the array; patches of one operator share theirs."""
        key = (origin(text), constant.c_type, constant.values.tobytes())
        if key in self._symbols:
            return self._symbols[key]
        self._symbols[key] = symbol
        self.arrays.append(
            ConstantView(
                symbol=symbol,
                type=constant.c_type,
                length=constant.values.size,
                alignment=constant.alignment,
                comment=comment(f"{text}: {constant.nbytes:,} bytes"),
                rows=array_rows(constant.values),
            )
        )
        return symbol

    def _pointer(self, name: str) -> str:
        return self._external.get(name) or f"arena + {self.plan.tensors[name]}"


def _external_tensors(graph: Graph, plan: MemoryPlan) -> Mapping[str, str]:
    """C expressions of the tensors that lie in the caller's buffers: all that share bytes with input or outputs."""
    expressions: dict[str, str] = {}
    offsets = {name: view.offset for name, view in zip(graph.outputs, output_views(graph), strict=True)}
    for placement in plan.placements:
        inside = {name: plan.tensors[name] - placement.offset for name in placement.tensors}
        if graph.input in placement.tensors:
            expressions.update({name: f"in + {offset}" for name, offset in inside.items()})
        for output in offsets.keys() & inside.keys():
            expressions.update({name: f"out + {offsets[output] + offset}" for name, offset in inside.items()})
    return expressions


def _kernel_text(step: Step) -> str:
    choice = step.implementation
    return f"kernel {choice.kernel}" + (f", {choice.encoding}" if choice.encoding else "")
