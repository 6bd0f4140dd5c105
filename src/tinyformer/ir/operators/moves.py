# SPDX-License-Identifier: Apache-2.0
"""Operators that move values: they join, cut, pad and reorder, and change none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyformer.ir.base import (
    Int8Array,
    Int32Array,
    Op,
    Shape,
    Tensor,
)


@dataclass(frozen=True)
class Concat(Op):
    """Inputs (already on one scale) joined along ``axis``."""

    axis: int

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        total = sum(shape[self.axis] for shape in inputs)
        return tuple(total if axis == self.axis else size for axis, size in enumerate(inputs[0]))

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        return np.concatenate(inputs, axis=self.axis + 1)


@dataclass(frozen=True)
class Slice(Op):
    """``x[..., begin:end, ...]`` on ``axis``."""

    axis: int
    begin: int
    end: int

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return tuple(self.end - self.begin if axis == self.axis else size for axis, size in enumerate(inputs[0]))

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        return x[(slice(None),) * (self.axis + 1) + (slice(self.begin, self.end),)]


@dataclass(frozen=True)
class Pad(Op):
    """Constant padding; ``before``/``after`` per axis, filled with ``value``."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: int

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return tuple(sum(sizes) for sizes in zip(self.before, inputs[0], self.after, strict=True))

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        widths = [(0, 0), *zip(self.before, self.after, strict=True)]
        return np.pad(x, widths, constant_values=self.value)


@dataclass(frozen=True)
class Transpose(Op):
    """``y = x.transpose(permutation)``."""

    permutation: tuple[int, ...]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return tuple(inputs[0][axis] for axis in self.permutation)

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        return np.ascontiguousarray(x.transpose(0, *(axis + 1 for axis in self.permutation)))


@dataclass(frozen=True)
class Constant(Op):
    """Writes ``value`` (of the output's shape); no inputs. Position embeddings, class tokens."""

    value: Int8Array

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return self.value.shape

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        return self.value


@dataclass(frozen=True)
class Reshape(Op):
    """The same bytes under another shape: costs nothing at run time."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return None

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        return x


@dataclass(frozen=True)
class Rearrange(Op):
    """Any elements of the input in any order: element i of the output is element ``indices[i]`` of the input.

    ``indices`` (size of the output,) int32; -1 stands for ``value``. Permutations that no transposition gives, strides,
    repetition, reflection, enlargement by whole cells.
    """

    indices: Int32Array
    value: int = 0

    def output_shape(self, inputs: Sequence[Shape]) -> Shape | None:
        return None

    def execute(self, inputs: Sequence[Int8Array], output: Tensor) -> Int8Array:
        (x,) = inputs
        flat = x.reshape(len(x), -1)
        y: Int8Array = np.where(self.indices < 0, np.int8(self.value), flat[:, np.maximum(self.indices, 0)])
        return y
