# SPDX-License-Identifier: Apache-2.0
"""Writes a partitioned float graph as ONNX with QuantizeLinear and DequantizeLinear around every group.

Names: an activation ``x`` becomes ``x.int8`` (QuantizeLinear ``x.quantize``) and ``x.dequantized`` (``x.dequantize``);
a constant ``w`` becomes ``w.int8`` or ``w.int32`` and ``w.dequantized``. Nodes keep their names. The graph's outputs
keep theirs, too: what was computed under that name is called ``x.float``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from tinyformer.compression.float_graph import FloatGraph
from tinyformer.compression.groups import COMBINING, Group
from tinyformer.compression.ranges import affine
from tinyformer.compression.weights import IntegerLayer, LinearLayer
from tinyformer.ir.lowering.function import Scale
from tinyformer.ir.quantization import Quantization


class QdqWriter:
    """Takes groups in execution order; :meth:`model` is the result."""

    def __init__(self, graph: FloatGraph, scales: Mapping[str, Quantization]) -> None:
        self._graph = graph
        self._scales = scales
        self._nodes: list[onnx.NodeProto] = []
        self._emitted: set[str] = set()
        self._constants: dict[str, NDArray[Any]] = {}
        self._requantize(graph.input.name, graph.input.name, scales[graph.input.name])

    def group(self, group: Group) -> None:
        """A group without weights."""
        inputs = {name: self._dequantized(name) for name in group.inputs}
        if group.scale is Scale.KEPT:
            inputs = {name: self._converted(name, group) for name in group.inputs}
        else:
            arrays = {name for node in group.nodes for name in node.input if node.op_type in COMBINING}
            for name in sorted(arrays & self._graph.constants.keys()):
                if self._graph.constants[name].size > 1:
                    inputs[name] = self._constant_activation(name, group)
        self._emit(group, inputs)

    def weighted_group(self, group: Group, layer: LinearLayer, integers: IntegerLayer) -> None:
        """A group whose weights and bias are ``integers``."""
        inputs = {layer.source: self._dequantized(layer.source)}
        inputs[layer.weight_name] = self._dequantized_constant(
            layer.weight_name, group, integers.weights, integers.scales, np.zeros(len(integers.scales), np.int8),
            layer.output_axis,
        )  # fmt: skip
        if layer.bias_name:
            inputs[layer.bias_name] = self._dequantized_constant(
                layer.bias_name, group, integers.bias, integers.bias_scales, None, 0
            )
        self._emit(group, inputs)

    def model(self) -> onnx.ModelProto:
        """The finished model, checked."""
        model = self._graph.model(self._nodes, self._constants | self._graph.constants)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _emit(self, group: Group, renamed: Mapping[str, str]) -> None:
        """The nodes of the group on other inputs, then the way to int8 and back."""
        real = f"{group.output}.float" if group.output in self._graph.output_names() else group.output
        inside = dict(renamed)
        for node in group.nodes:
            if node.output[0] == group.output:
                inside[group.output] = real
            if node.output[0] in self._emitted:
                continue
            self._emitted.add(node.output[0])
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            for names in (copy.input, copy.output):
                names[:] = [inside.get(name, name) for name in names]
            self._nodes.append(copy)
        self._requantize(real, group.output, self._scales[group.output])

    def _requantize(self, source: str, name: str, quantization: Quantization) -> None:
        """``source`` (float) -> ``name``.int8 -> its dequantized form."""
        parameters = [
            self._add(f"{name}.scale", np.array(quantization.scale, np.float32)),
            self._add(f"{name}.zero_point", np.array(quantization.zero_point, np.int8)),
        ]
        self._node("QuantizeLinear", f"{name}.quantize", [source, *parameters], f"{name}.int8")
        self._node("DequantizeLinear", f"{name}.dequantize", [f"{name}.int8", *parameters], self._dequantized(name))

    def _converted(self, name: str, group: Group) -> str:
        """``name`` in float with the values that the scale of the group's output can hold."""
        scale = self._scales[group.output]
        if self._scales[name] == scale:
            return self._dequantized(name)
        converted = f"{group.output}.from.{name}"
        self._requantize(self._dequantized(name), converted, scale)
        return self._dequantized(converted)

    def _constant_activation(self, name: str, group: Group) -> str:
        """A constant operand of an addition or multiplication, as INT8 with one scale."""
        values = self._graph.constants[name]
        quantization = affine((float(values.min()), float(values.max())))
        scale, zero_point = np.float32(quantization.scale), np.int8(quantization.zero_point)
        return self._dequantized_constant(
            name, group, quantization.quantize(values), np.array(scale), np.array(zero_point), None
        )

    def _dequantized_constant(
        self,
        name: str,
        group: Group,
        values: NDArray[Any],
        scales: NDArray[np.float32],
        zero_points: NDArray[np.int8] | None,
        axis: int | None,
    ) -> str:
        """An integer constant and its dequantization, stored again for each further group that reads it."""
        if f"{name}.dequantized" in self._emitted:
            name = f"{name}.of.{group.output}"
        self._emitted.add(f"{name}.dequantized")
        inputs = [self._add(f"{name}.{values.dtype.name}", values), self._add(f"{name}.scale", scales)]
        if zero_points is not None:
            inputs.append(self._add(f"{name}.zero_point", zero_points))
        options: dict[str, Any] = {} if axis is None else {"axis": axis}
        return self._node("DequantizeLinear", f"{name}.dequantize", inputs, f"{name}.dequantized", **options)

    def _dequantized(self, name: str) -> str:
        return name if name in self._graph.output_names() else f"{name}.dequantized"

    def _add(self, name: str, value: NDArray[Any]) -> str:
        self._constants[name] = value.copy(order="C")
        return name

    def _node(self, operator: str, name: str, inputs: list[str], output: str, **options: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], name=name, **options))
        return output
