# SPDX-License-Identifier: Apache-2.0
"""Layers with constant weights in one form: ``Conv`` and ``Linear`` nodes whose numbers are an :class:`Affine`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.lowering.network import Affine, Constant, Network, Node
from tinyformer.ir.lowering.problems import Problems, UnsupportedError

_LARGEST_SUM = 3
"""INT8 summands of a weight: 255 is 127 + 127 + 1."""


def canonicalize(network: Network, problems: Problems) -> None:
    """Give every convolution and product with a constant matrix its :class:`Affine`; MatMul and Gemm become
    ``Linear``."""
    for node in list(network):
        try:
            match node.operator:
                case "Conv":
                    wide = _convolution(network, node)
                case "ConvTranspose":
                    wide = _transposed(network, node)
                case "Gemm":
                    wide = _gemm(network, node)
                case "MatMul" if len(network.activations(node)) == 1:
                    wide = _matmul(network, node)
                case _:
                    continue
            node.operator = "Linear" if node.operator in {"Gemm", "MatMul"} else node.operator
            node.inputs = node.inputs[:1]
            network.affine[node.output] = _narrow(network, node, wide)
        except UnsupportedError as problem:
            problems.add(node, str(problem))


@dataclass(frozen=True)
class _Wide:
    """An :class:`Affine` whose weights are any integers."""

    weights: NDArray[np.int64]
    scale: NDArray[np.float64]
    bias: NDArray[np.float64]


def _convolution(network: Network, node: Node) -> _Wide:
    constant = _weights(network, node, 1)
    bias = network.real_input(node, 2)
    return _affine(constant.values, _full_scale(constant), bias)


def _transposed(network: Network, node: Node) -> _Wide:
    """Weights (I, O / groups, ...) -> (O, I / groups, ...)."""
    constant = _weights(network, node, 1)
    groups = node.attributes.get("group", 1)

    def by_output(values: NDArray[Any]) -> NDArray[Any]:
        inputs, outputs, *kernel = values.shape
        split = values.reshape(groups, inputs // groups, outputs, *kernel)
        return np.swapaxes(split, 1, 2).reshape(groups * outputs, inputs // groups, *kernel)

    return _affine(by_output(constant.values), by_output(_full_scale(constant)), network.real_input(node, 2))


def _gemm(network: Network, node: Node) -> _Wide:
    if node.attributes.get("transA", 0):
        raise UnsupportedError("transA is not supported: transpose the input in the model")
    constant = _weights(network, node, 1)
    if constant.values.ndim != 2:
        raise UnsupportedError("its weights are not a matrix: reshape them")
    transposed = bool(node.attributes.get("transB", 0))
    outputs = constant.values.shape[0 if transposed else 1]
    bias = network.real_input(node, 2)
    if bias is not None:
        bias = np.broadcast_to(bias.reshape(-1), (outputs,)) * node.attributes.get("beta", 1.0)
    values, scale = constant.values, _full_scale(constant)
    wide = _affine(*((values, scale) if transposed else (values.T, scale.T)), bias)
    alpha = node.attributes.get("alpha", 1.0)
    if alpha == 0:
        return _Wide(np.zeros_like(wide.weights), wide.scale, wide.bias)
    return _Wide(wide.weights * int(np.sign(alpha)), wide.scale * abs(alpha), wide.bias)


def _matmul(network: Network, node: Node) -> _Wide:
    if node.inputs[0] in network.constants:
        raise UnsupportedError("its left operand is constant: write it as x @ W")
    constant = _weights(network, node, 1)
    values, scale = constant.values, _full_scale(constant)
    if values.ndim > 2 and set(values.shape[:-2]) == {1}:
        values, scale = values.reshape(values.shape[-2:]), scale.reshape(values.shape[-2:])
    if values.ndim != 2:
        raise UnsupportedError("its constant operand is not a matrix: reshape it, or use Gemm for each matrix")
    return _affine(values.T, scale.T, None)


def _weights(network: Network, node: Node, index: int) -> Constant:
    name = node.inputs[index]
    constant = network.constants.get(name)
    if constant is None:
        raise UnsupportedError("its weights are computed at run time")
    if constant.scale is None:
        raise UnsupportedError(f"its weights {name!r} are not quantized: quantize them to INT8, symmetric")
    return constant


def _full_scale(constant: Constant) -> NDArray[np.float64]:
    assert constant.scale is not None
    return np.broadcast_to(constant.scale, constant.values.shape)


def _affine(values: NDArray[Any], scale: NDArray[np.float64], bias: NDArray[np.float64] | None) -> _Wide:
    """``values`` and ``scale`` have the outputs first."""
    outputs = values.shape[0]
    by_output = scale.reshape(outputs, -1)
    if by_output.size and np.any(by_output != by_output[:, :1]):
        raise UnsupportedError("its weights are quantized per input channel: quantize them per output channel")
    offsets = np.zeros(outputs) if bias is None else bias.reshape(outputs).astype(np.float64)
    return _Wide(values.astype(np.int64), by_output[:, 0].astype(np.float64), offsets)


def _narrow(network: Network, node: Node, wide: _Wide) -> Affine:
    """``wide`` in INT8. Asymmetric weights are sums of several: inputs that need more than one are read as often."""
    groups = node.attributes.get("group", 1)
    depth = wide.weights.shape[1]
    rest, inputs = wide.weights, list[int]()
    parts: list[NDArray[np.int64]] = []
    while rest.any() or not parts:
        part = np.clip(rest, -128, 127)
        grouped = rest.reshape(groups, len(rest) // groups, depth, -1)
        again = np.flatnonzero(grouped.any(axis=(0, 1, 3))) if parts else np.arange(depth)
        parts.append(part[:, again])
        inputs += [int(channel) for channel in again]
        rest = rest - part
        if len(parts) > _LARGEST_SUM:
            raise UnsupportedError("its weights are wider than 8 bits: quantize them to INT8 or UINT8")
    weights = np.ascontiguousarray(np.concatenate(parts, axis=1)).astype(np.int8)
    if len(parts) > 1:
        indices = np.array([group * depth + channel for group in range(groups) for channel in inputs])
        node.inputs = [_gathered(network, node, indices)]
    return Affine(weights, wide.scale, wide.bias)


def _gathered(network: Network, node: Node, indices: NDArray[np.int64]) -> str:
    """The channels ``indices`` of the input of ``node``, made right before it."""
    x, name = node.inputs[0], f"{node.output}/inputs"
    axis = len(network.shapes[x]) - 1 if node.operator == "Linear" else 1
    network.constants[f"{name}/indices"] = Constant(indices)
    network.shapes[name] = tuple(len(indices) if i == axis else size for i, size in enumerate(network.shapes[x]))
    if x in network.quantization:
        network.quantization[name] = network.quantization[x]
    gather = Node("Gather", name, [x, f"{name}/indices"], name, {"axis": axis})
    network.nodes.insert(network.nodes.index(node), gather)
    return name
