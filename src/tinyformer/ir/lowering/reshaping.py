# SPDX-License-Identifier: Apache-2.0
"""Operators that only rename or reorder elements: NumPy on positions, nothing at run time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.function import Case, Function, Scale
from tinyformer.ir.lowering.layout import Positions, in_order, transpositions
from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.problems import UnsupportedError


def view_positions(network: Network, node: Node, positions: Positions) -> Positions:
    """``positions`` as ``node`` presents them."""
    return VIEW_FUNCTIONS[node.operator](network, node, positions)


def lower_view(builder: Builder, node: Node) -> Value:
    """The same storage, seen differently; a change of scale costs a table."""
    x = builder.values[node.inputs[0]]
    y = Value(x.tensor, view_positions(builder.network, node, x.positions))
    if transpositions(y.positions) is None:  # reshaped across an earlier transposition once too often: move data now
        order = tuple(range(len(x.shape)))
        x = Value(builder.stored(x, order), in_order(x.shape, order))
        y = Value(x.tensor, view_positions(builder.network, node, x.positions))
    return builder.requantized(y, builder.quantization(node.output), node.output)


def lower_reinterpreted(builder: Builder, node: Node) -> Value:
    """The same integers with another scale: a DequantizeLinear that differs from the QuantizeLinear before it."""
    x = builder.values[node.inputs[0]]
    tensor = builder.add_tensor(node.output, builder.graph.tensors[x.tensor].shape, builder.quantization(node.output))
    builder.emit(ir.Reshape(node.name, (x.tensor,), tensor))
    return Value(tensor, x.positions)


def _reshape(network: Network, node: Node, positions: Positions) -> Positions:
    shape = network.shapes[node.output]
    if int(np.prod(shape)) != positions.size:
        raise UnsupportedError("it does not keep the number of elements: export the model with batch size 1")
    return positions.reshape(shape)


def _transpose(network: Network, node: Node, positions: Positions) -> Positions:
    return positions.transpose(node.attributes.get("perm"))


def _depth_to_space(network: Network, node: Node, positions: Positions) -> Positions:
    n, c, h, w = positions.shape
    block = node.attributes["blocksize"]
    if node.attributes.get("mode", "DCR") == "DCR":
        split = positions.reshape(n, block, block, c // block**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        split = positions.reshape(n, c // block**2, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
    return split.reshape(n, c // block**2, h * block, w * block)


def _space_to_depth(network: Network, node: Node, positions: Positions) -> Positions:
    n, c, h, w = positions.shape
    block = node.attributes["blocksize"]
    split = positions.reshape(n, c, h // block, block, w // block, block).transpose(0, 3, 5, 1, 2, 4)
    return split.reshape(n, c * block**2, h // block, w // block)


VIEW_FUNCTIONS: Mapping[str, Callable[[Network, Node, Positions], Positions]] = {
    "DepthToSpace": _depth_to_space,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "SpaceToDepth": _space_to_depth,
    "Squeeze": _reshape,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}


def _view(name: str, case: Case, *attributes: str, tflite: tuple[str, ...] = ()) -> Function:
    return Function(
        name,
        "another order of the same bytes, or Transpose",
        case,
        lower=lower_view,
        attributes=attributes,
        scale=Scale.KEPT,
        tflite=tflite,
    )


FUNCTIONS = (
    _view("DepthToSpace", Case(attributes={"blocksize": 2}), "blocksize", "mode", tflite=("DEPTH_TO_SPACE",)),
    _view("Flatten", Case(), "axis"),
    _view("Reshape", Case((np.array([0, 8, 36]),)), "allowzero", tflite=("EXPAND_DIMS", "RESHAPE", "SQUEEZE")),
    _view("SpaceToDepth", Case(attributes={"blocksize": 2}), "blocksize", tflite=("SPACE_TO_DEPTH",)),
    _view("Squeeze", Case((np.array([2]),), shape=(1, 8, 1, 6)), "axes"),
    _view("Transpose", Case(attributes={"perm": [0, 2, 3, 1]}), "perm", tflite=("TRANSPOSE",)),
    _view("Unsqueeze", Case((np.array([1]),), shape=(1, 8, 6)), "axes"),
)
