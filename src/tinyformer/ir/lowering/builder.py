from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.arithmetic import lut
from tinyformer.ir.lowering.layout import Order, Positions, in_order, storage_order, transpositions
from tinyformer.ir.lowering.network import Network, Node, Quantization
from tinyformer.ir.lowering.problems import UnsupportedError


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

    def tensor_quantization(self, tensor: str) -> Quantization:
        """How a storage tensor is quantized."""
        stored = self.graph.tensors[tensor]
        return Quantization(stored.scale, stored.zero_point)

    def requantized(self, value: Value, quantization: Quantization, name: str) -> Value:
        """``value`` on another scale: itself where no integer changes, else through a table."""
        table = lut(lambda x: x, self.tensor_quantization(value.tensor), quantization)
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
        """Append an operator; its name is made unique."""
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
                raise UnsupportedError(
                    "its input needs elements in an order that no transposition gives: simplify the reshapes"
                )
            y = tensor
            for move in moves:
                x = self.reshaped(y, move.shape)
                moved = tuple(move.shape[axis] for axis in move.permutation)
                y = self.add_tensor(f"{tensor}.transposed", moved, self.tensor_quantization(tensor))
                self.emit(ir.Transpose(y, (x,), y, move.permutation))
            self._transposed[key] = y
        return self._transposed[key]
