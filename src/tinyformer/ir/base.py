# SPDX-License-Identifier: Apache-2.0
"""What every operator of the integer graph is made of: tensors, requantization, and the base classes of operators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Int8Array = NDArray[np.int8]
Int16Array = NDArray[np.int16]
Int32Array = NDArray[np.int32]
UInt8Array = NDArray[np.uint8]
UInt32Array = NDArray[np.uint32]

Shape: TypeAlias = tuple[int, ...]

LARGEST_RANK = 4
"""Dimensions that the operators which move data (Concat, Slice, Pad, Transpose) see at most."""


@dataclass(frozen=True)
class Tensor:
    """An INT8 activation: ``real = scale * (q - zero_point)``."""

    name: str
    shape: Shape
    scale: float
    zero_point: int

    @property
    def size(self) -> int:
        """Number of elements, which is also the number of bytes."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Requantization:
    """From a 32-bit accumulator to INT8 (docs/integer_semantics.md, "Requantization").

    ``clamp(zero_point + round_half_up(sat(acc << shift) * multiplier / 2**32), low, high)``; ``multipliers`` has
    one entry per output channel or a single entry, each in ``[0, 2**31)``; ``sat`` is to int32; ``shift`` is 0 unless a
    real multiplier is 0.5 or more.
    """

    multipliers: Int32Array
    shift: int
    zero_point: int
    low: int = -128
    high: int = 127

    def apply(self, acc: NDArray[Any]) -> Int8Array:
        """Accumulators of any integer (or exactly integral float) type, output channel last, to INT8."""
        wide = np.clip(acc, -(2 ** (31 - self.shift)), 2 ** (31 - self.shift) - 1).astype(np.int64) << self.shift
        scaled = (wide * self.multipliers.astype(np.int64) + 2**31) >> 32
        y: Int8Array = np.clip(scaled + self.zero_point, self.low, self.high).astype(np.int8)
        return y


@dataclass(frozen=True)
class Op(ABC):
    """Base of all operators: reads the tensors named ``inputs``, writes the tensor named ``output``."""

    name: str
    inputs: tuple[str, ...]
    output: str

    @abstractmethod
    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        """The shape of the output for inputs of these shapes; None where any shape of as many elements will do."""

    @abstractmethod
    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        """The definition of the right answer (docs/integer_semantics.md), for N images at a time.

        Inputs have the shape (N, *shape); the result has N times the elements of ``output``, under any shape (a
        constant: once).
        """


@dataclass(frozen=True)
class Elementwise(Op):
    """Base of operators whose output element i depends on element i of every input.

    An input may also hold one element per index of the last axis. The output has the shape of the first input.
    """

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        """The shape of the first input."""
        return inputs[0]


@dataclass(frozen=True)
class Rowwise(Op):
    """Base of operators whose output rows (last axis) each depend on that row of the only input."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        """The shape of the input."""
        return inputs[0]
