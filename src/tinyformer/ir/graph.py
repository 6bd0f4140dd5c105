# SPDX-License-Identifier: Apache-2.0
"""The integer graph that SparseEngine compiles and the reference executor runs.

Every activation is an INT8 tensor. Images are laid out ``(1, H, W, C)``, token matrices ``(1, T, C)`` or ``(T, C)``;
memory is row-major. All constants an operator needs at run time are already integers here (folded biases, fixed-point
multipliers, tables), so that the reference executor, the generated C and the firmware consume the same numbers.
``docs/integer_semantics.md`` defines what each operator computes; ``tinyformer.ir.reference`` is that definition in
NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tinyformer.ir.base import (
    LARGEST_RANK,
    Elementwise,
    Int8Array,
    Int16Array,
    Int32Array,
    Op,
    Requantization,
    Rowwise,
    Shape,
    Tensor,
    UInt8Array,
    UInt32Array,
)
from tinyformer.ir.operators.elementwise import Add, Extremum, Lut, Mul
from tinyformer.ir.operators.matrix import BatchMatMul, Conv2D, DepthwiseConv2D, Linear
from tinyformer.ir.operators.moves import Concat, Constant, Pad, Rearrange, Reshape, Slice, Transpose
from tinyformer.ir.operators.pooling import AveragePool2D, MaxPool2D
from tinyformer.ir.operators.resizing import Interpolate, Line
from tinyformer.ir.operators.rows import LayerNorm, MaskedSoftmax, Softmax
from tinyformer.ir.pixels import InputRule, PixelRule

__all__ = [
    "LARGEST_RANK",
    "Add",
    "AveragePool2D",
    "BatchMatMul",
    "Concat",
    "Constant",
    "Conv2D",
    "DepthwiseConv2D",
    "Elementwise",
    "Extremum",
    "Graph",
    "Int8Array",
    "Int16Array",
    "Int32Array",
    "Interpolate",
    "LayerNorm",
    "Line",
    "Linear",
    "Lut",
    "MaskedSoftmax",
    "MaxPool2D",
    "Mul",
    "Op",
    "Origin",
    "Pad",
    "Rearrange",
    "Requantization",
    "Reshape",
    "Rowwise",
    "Shape",
    "Slice",
    "Softmax",
    "Tensor",
    "Transpose",
    "UInt8Array",
    "UInt32Array",
]


@dataclass(frozen=True)
class Origin:
    """The tensor of the model's file that a tensor of the graph holds.

    ``positions`` has the shape of the file's tensor: where in memory each of its elements lies.
    """

    name: str
    positions: Int32Array


@dataclass
class Graph:
    """Operators in execution order, and every activation by name. One input, one or more outputs.

    ``pixels`` and ``classes`` are what the model's file says about raw images and the meaning of the first output, if
    it does; ``sha256`` is the file's digest, empty for a graph that no file holds. ``axes`` lists, for the input and
    the outputs, the axes of the file's tensor in the order in which they lie in memory, slowest first. ``wide_ranges``
    names tensors that the file leaves in float and whose range only weights bound: calibration makes their steps finer.
    ``origins`` says of tensors which tensors of the file they hold.
    """

    name: str
    input: str
    outputs: tuple[str, ...]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    pixels: PixelRule | None = None
    classes: tuple[str, ...] = ()
    sha256: str = ""
    axes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    wide_ranges: tuple[str, ...] = ()
    origins: dict[str, tuple[Origin, ...]] = field(default_factory=dict, repr=False)

    @property
    def input_rule(self) -> InputRule:
        """How real values and raw pixels become the INT8 input."""
        tensor = self.tensors[self.input]
        return InputRule(tensor.scale, tensor.zero_point, self.pixels)
