# SPDX-License-Identifier: Apache-2.0
"""A quantized network as importers hand it over: real-valued operators, and how each tensor is quantized.

Operators have the names, attributes and NCHW layouts of ONNX, whatever format the model came in; Q/DQ pairs are gone: a
tensor that went through one is listed in ``quantization``. A tensor that is not was never rounded in the source model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.errors import TinyFormerError
from tinyformer.ir.quantization import Quantization


@dataclass(frozen=True)
class Constant:
    """A constant tensor: real values, or integers with a scale (an array that broadcasts against them)."""

    values: NDArray[Any]
    scale: NDArray[np.float64] | None = None

    @property
    def real(self) -> NDArray[np.float64]:
        """The values in double precision."""
        values = self.values.astype(np.float64)
        return values if self.scale is None else values * self.scale


@dataclass(eq=False)
class Node:
    """One operator. ``operator`` is the ONNX type; ``clamp`` bounds the real output (a fused ReLU or Clip).

    ``factor`` multiplies it before that (a scaled product of activations).
    """

    operator: str
    name: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any] = field(default_factory=dict)
    clamp: tuple[float, float] = (-inf, inf)
    factor: float = 1.0


@dataclass
class Affine:
    """What a convolution or linear layer multiplies and adds: real weight ``weights * scale[o]``, real bias."""

    weights: NDArray[np.int8]
    """(O, I / groups, *kernel) or (O, I)."""
    scale: NDArray[np.float64]
    """(O,)."""
    bias: NDArray[np.float64]
    """(O,)."""

    def scaled(self, factors: NDArray[np.float64]) -> Affine:
        """The layer followed by a multiplication per output channel."""
        signs = np.where(factors < 0, -1, 1).reshape(-1, *[1] * (self.weights.ndim - 1))
        weights = self.weights.astype(np.int16) * signs
        if weights.max(initial=0) > 127:
            raise TinyFormerError("it multiplies a weight of -128 by a negative factor: quantize weights to -127..127")
        # A channel that is multiplied by zero keeps a scale that can be divided by.
        scale = np.where(factors == 0, self.scale, self.scale * np.abs(factors))
        weights = weights * (factors != 0).reshape(signs.shape)
        return Affine(weights.astype(np.int8), scale, self.bias * factors)

    def shifted(self, offsets: NDArray[np.float64]) -> Affine:
        """The layer followed by an addition per output channel."""
        return Affine(self.weights, self.scale, self.bias + offsets)


@dataclass
class Network:
    """Nodes in execution order and everything known about their tensors."""

    name: str
    input: str
    outputs: list[str]
    nodes: list[Node]
    shapes: dict[str, tuple[int, ...]]
    constants: dict[str, Constant]
    quantization: dict[str, Quantization]
    affine: dict[str, Affine] = field(default_factory=dict)
    """By output tensor of the ``Conv`` and ``Linear`` nodes, once :mod:`.canonical` has run."""
    wide_ranges: list[str] = field(default_factory=list)
    """Tensors that the model leaves in float and whose range only weights bound (:mod:`.ranges`)."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Why the node that makes a tensor cannot be compiled, where the importer knows it."""
    ties_away: bool = False
    """Whether the model's runtime rounds ties away from zero, as TensorFlow Lite does; ONNX rounds them to even."""

    def producers(self) -> dict[str, Node]:
        """The node that makes each tensor."""
        return {node.output: node for node in self.nodes}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each tensor, once per reading; a graph output has one reader more than listed here."""
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                readers.setdefault(name, []).append(node)
        return readers

    def sole_consumer(self, tensor: str, consumers: dict[str, list[Node]]) -> Node | None:
        """The only reader of ``tensor``, or None if there are several, none, or it is a graph output."""
        readers = consumers.get(tensor, [])
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None

    def activations(self, node: Node) -> list[str]:
        """The inputs of ``node`` that are not constants (nor omitted)."""
        return [name for name in node.inputs if name and name not in self.constants]

    def real_input(self, node: Node, index: int) -> NDArray[np.float64] | None:
        """Constant input ``index`` in double precision; None if it is omitted or not constant."""
        name = node.inputs[index] if index < len(node.inputs) else ""
        constant = self.constants.get(name)
        return None if constant is None else constant.real

    def merge_into_consumer(self, node: Node, consumer: Node) -> None:
        """Let ``node`` produce the output of ``consumer``, its only reader, which disappears."""
        self.affine.pop(consumer.output, None)
        if node.output in self.affine:
            self.affine[consumer.output] = self.affine.pop(node.output)
        node.output = consumer.output
        # Execution order: the merged node stands where its consumer stood, after all of its inputs.
        index = self.nodes.index(consumer)
        self.nodes[index] = node
        del self.nodes[self.nodes.index(node)]

    def prune(self) -> None:
        """Drop the nodes that no output depends on."""
        needed = set(self.outputs)
        for node in reversed(self.nodes):
            if node.output in needed:
                needed.update(node.inputs)
        self.nodes = [node for node in self.nodes if node.output in needed]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)
