# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.arithmetic import lut
from tinyformer.ir.lowering.layout import Order, Positions, in_order, storage_order, transpositions
from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.problems import UnsupportedError
from tinyformer.ir.quantization import Quantization


@dataclass(frozen=True)
class Value:
    """A logical tensor: the storage tensor's name and the position of every element in it."""

    tensor: str
    positions: Positions

    @property
    def shape(self) -> tuple[int, ...]:
        """The logical shape."""
        return self.positions.shape


class Builder:
    """The graph under construction and the value of every tensor of the network lowered so far."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.graph = ir.Graph(network.name, "", ())
        self.values: dict[str, Value] = {}
        self._names: set[str] = set()
        self._reshaped: dict[tuple[str, tuple[int, ...]], str] = {}
        self._transposed: dict[tuple[str, bytes], str] = {}
        self._storage: dict[str, str] = {}

    # What lowering functions ask for

    def quantization(self, name: str) -> Quantization:
        """How a tensor of the network is quantized. Raises :class:`UnsupportedError` if it is not."""
        try:
            return self.network.quantization[name]
        except KeyError:
            raise UnsupportedError(
                f"tensor {name!r} is not quantized: put a QuantizeLinear/DequantizeLinear pair after it"
            ) from None

    def limits(self, node: Node) -> tuple[int, int]:
        """The clamp of ``node`` in the integers of its output."""
        scale, zero_point = self.quantization(node.output)
        low, high = (bound if abs(bound) == inf else np.rint(bound / scale) + zero_point for bound in node.clamp)
        return int(max(-128, min(127, low))), int(max(-128, min(127, high)))

    def stored(self, value: Value, order: Order) -> str:
        """The tensor that holds ``value`` with its axes in ``order`` and the shape to match; moves data if it must."""
        shape = tuple(value.shape[axis] for axis in order)
        source = value.positions.transpose(order).reshape(-1)
        if np.array_equal(source, np.arange(source.size)):
            return self.reshaped(value.tensor, shape)
        return self.reshaped(self._transpose(value.tensor, source), shape)

    def order(self, value: Value, last: int | None = None) -> Order:
        """The order of axes that costs least: the one ``value`` has if possible, with axis ``last`` at the end if
        given."""
        found = storage_order(value.positions, self.graph.tensors[value.tensor].shape, last)
        if found is not None:
            return found
        axes = [axis for axis in range(len(value.shape)) if axis != last]
        return tuple(axes if last is None else [*axes, last])

    def reshaped(self, tensor: str, shape: tuple[int, ...]) -> str:
        """The same storage under another shape."""
        storage = self._storage.get(tensor, tensor)
        if self.graph.tensors[storage].shape == shape:
            return storage
        key = (storage, shape)
        if key not in self._reshaped:
            name = self.add_tensor(f"{storage}.{'x'.join(map(str, shape))}", shape, self.tensor_quantization(storage))
            self.emit(ir.Reshape(name, (storage,), name))
            self._reshaped[key] = name
            self._storage[name] = storage
        return self._reshaped[key]

    def renamed(self, tensor: str, name: str) -> str:
        """The same storage under another name."""
        stored = self.graph.tensors[tensor]
        y = self.add_tensor(name, stored.shape, self.tensor_quantization(tensor))
        self.emit(ir.Reshape(y, (tensor,), y))
        return y

    def rearranged(self, node: Node, value: Value, positions: Positions, *, fill: int = 0) -> Value:
        """A tensor whose element with the logical index i is what the storage of ``value`` has at ``positions[i]``.

        Any element may appear any number of times; where ``positions`` is -1, ``fill`` stands.
        """
        order = self.order(value) if positions.ndim == len(value.shape) else tuple(range(positions.ndim))
        flat = np.ascontiguousarray(positions.transpose(order)).reshape(-1)
        if flat.size == self.graph.tensors[value.tensor].size and np.array_equal(flat, np.arange(flat.size)):
            return Value(value.tensor, in_order(positions.shape, order))
        stored = tuple(positions.shape[axis] for axis in order)
        tensor = self.add_tensor(node.output, stored, self.tensor_quantization(value.tensor))
        self.emit(ir.Rearrange(node.name, (value.tensor,), tensor, flat.astype(np.int32), fill))
        return Value(tensor, in_order(positions.shape, order))

    def tensor_quantization(self, tensor: str) -> Quantization:
        """How a storage tensor is quantized."""
        stored = self.graph.tensors[tensor]
        return Quantization(stored.scale, stored.zero_point)

    def requantized(
        self, value: Value, quantization: Quantization, name: str, clamp: tuple[float, float] = (-inf, inf)
    ) -> Value:
        """``value`` on another scale and within ``clamp``: itself where no integer changes, else through a table."""
        before = self.tensor_quantization(value.tensor)
        table = lut(lambda x: np.clip(x, *clamp), before, quantization, ties_away=self.network.ties_away)
        if np.array_equal(table, np.arange(-128, 128)):
            return value
        shape = self.graph.tensors[value.tensor].shape
        tensor = self.add_tensor(name, shape, quantization)
        self.emit(ir.Lut(f"{name}.requantize", (value.tensor,), tensor, table))
        return Value(tensor, value.positions)

    # How lowering functions answer

    def add_tensor(self, name: str, shape: tuple[int, ...], quantization: Quantization) -> str:
        """Declare a storage tensor; its name is made unique."""
        unique, count = name, 1
        while unique in self.graph.tensors:
            count += 1
            unique = f"{name}.{count}"
        self.graph.tensors[unique] = ir.Tensor(unique, tuple(shape), *quantization)
        return unique

    def declare(self, node: Node, shape: tuple[int, ...], order: Order) -> Value:
        """Declare the output of ``node`` with logical ``shape`` and axes stored in ``order``."""
        stored = tuple(shape[axis] for axis in order)
        tensor = self.add_tensor(node.output, stored, self.quantization(node.output))
        return Value(tensor, in_order(shape, order))

    def emit(self, op: ir.Op) -> None:
        """Append an operator; its name is made unique.

        Raises ``ValueError`` if the output that was declared is not what the operator makes of its inputs.
        """
        made = op.output_shape([self.graph.tensors[name].shape for name in op.inputs])
        declared = self.graph.tensors[op.output].shape
        if made not in (None, declared):
            raise ValueError(f"{op.name} makes {made}, but {declared} is expected")
        name, count = op.name, 1
        while name in self._names:
            count += 1
            name = f"{op.name}.{count}"
        self._names.add(name)
        self.graph.ops.append(op if name == op.name else replace(op, name=name))

    def _transpose(self, tensor: str, source: Positions) -> str:
        key = (tensor, source.tobytes())
        if key not in self._transposed:
            moves = transpositions(source)
            if moves is None:
                y = self.add_tensor(f"{tensor}.rearranged", (source.size,), self.tensor_quantization(tensor))
                self.emit(ir.Rearrange(y, (tensor,), y, source.astype(np.int32)))
                moves = []
            else:
                y = tensor
            for move in moves:
                x = self.reshaped(y, move.shape)
                moved = tuple(move.shape[axis] for axis in move.permutation)
                y = self.add_tensor(f"{tensor}.transposed", moved, self.tensor_quantization(tensor))
                self.emit(ir.Transpose(y, (x,), y, move.permutation))
            self._transposed[key] = y
        return self._transposed[key]
