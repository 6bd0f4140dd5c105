"""The integer graph that SparseEngine compiles and the reference executor runs.

Every activation is an INT8 tensor. Images are laid out ``(1, H, W, C)``, token matrices ``(1, T, C)`` or ``(T, C)``;
memory is row-major. All constants an operator needs at run time are already integers here (folded biases, fixed-point
multipliers, tables), so that the reference executor, the generated C and the firmware consume the same numbers.
``docs/integer_semantics.md`` defines what each operator computes; ``tinyformer.ir.reference`` is that definition in
NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Int8Array = NDArray[np.int8]
Int16Array = NDArray[np.int16]
Int32Array = NDArray[np.int32]
UInt32Array = NDArray[np.uint32]

LARGEST_RANK = 4
"""Dimensions that the operators which move data (Concat, Slice, Pad, Transpose) see at most."""


@dataclass(frozen=True)
class Tensor:
    """An INT8 activation: ``real = scale * (q - zero_point)``."""

    name: str
    shape: tuple[int, ...]
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


@dataclass(frozen=True)
class Op:
    """Base of all operators: reads the tensors named ``inputs``, writes the tensor named ``output``."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Conv2D(Op):
    """Convolution (1, H, W, I) -> (1, H', W', O) with ``weights`` (O, KH, KW, I / groups) and ``bias`` (O,).

    The bias already holds ``-zero_point(x) * sum(weights)``; cells outside the image read as ``pad_value`` (the input's
    zero point). ``padding`` is (top, bottom, left, right).
    """

    weights: Int8Array
    bias: Int32Array
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int
    pad_value: int
    requantization: Requantization


@dataclass(frozen=True)
class DepthwiseConv2D(Op):
    """Depthwise convolution (1, H, W, C) -> (1, H', W', C) with ``weights`` (KH, KW, C); else as :class:`Conv2D`."""

    weights: Int8Array
    bias: Int32Array
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    pad_value: int
    requantization: Requantization


@dataclass(frozen=True)
class Linear(Op):
    """Rows times constant matrix, (..., I) -> (..., O), with ``weights`` (O, I) and folded ``bias`` (O,)."""

    weights: Int8Array
    bias: Int32Array
    requantization: Requantization


@dataclass(frozen=True)
class BatchMatMul(Op):
    """Product of two activations: for each batch b, (m x k) times (k x n).

    Operands and result are addressed by element strides (batch, row, column) into their tensors, so that head splits,
    merges and transposes cost nothing: ``a[b, i, p]`` is element ``b * a_strides[0] + i * a_strides[1] + p *
    a_strides[2]`` of input 0, ``b[b, p, j]`` likewise of input 1 and ``y[b, i, j]`` of the output.
    """

    batch: int
    m: int
    k: int
    n: int
    a_strides: tuple[int, int, int]
    b_strides: tuple[int, int, int]
    y_strides: tuple[int, int, int]
    a_zero_point: int
    b_zero_point: int
    requantization: Requantization


@dataclass(frozen=True)
class Add(Op):
    """``clamp((a * multiplier_a + b * multiplier_b + offset) >> shift, low, high)``, int16 multipliers; same shapes."""

    multiplier_a: int
    multiplier_b: int
    offset: int
    shift: int
    low: int
    high: int


@dataclass(frozen=True)
class Mul(Op):
    """``requantize((a - a_zero_point) * (b - b_zero_point))``; b has a's shape or is broadcast: (1, ..., 1, C)."""

    a_zero_point: int
    b_zero_point: int
    requantization: Requantization


@dataclass(frozen=True)
class Lut(Op):
    """Any unary function: ``y = table[x + 128]``, ``table`` (256,) int8. GELU, SiLU, sigmoid, requantization, ..."""

    table: Int8Array


@dataclass(frozen=True)
class Softmax(Op):
    """Softmax over the last axis by a table of 256 exponentials and one reciprocal a row.

    See docs/integer_semantics.md, "Softmax".
    """

    exponentials: UInt32Array
    sum_shift: int
    numerator: int
    zero_point: int


@dataclass(frozen=True)
class LayerNorm(Op):
    """LayerNorm over the last axis in integers (docs/integer_semantics.md, "LayerNorm")."""

    gamma: Int16Array
    beta: Int32Array
    epsilon: int
    pre_shift: int
    post_shift: int


@dataclass(frozen=True)
class AveragePool2D(Op):
    """Sum over the window, requantized; (1, H, W, C) -> (1, H', W', C).

    Cells outside the image add nothing. ``requantization.multipliers`` holds one entry per distinct number of cells
    that windows cover, 1 .. KH*KW (index cells - 1), or a single one where every window counts alike (padding counted
    in). ``zero_point`` is the input's: the accumulator is ``sum(x - zero_point)``.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    zero_point: int
    requantization: Requantization


@dataclass(frozen=True)
class MaxPool2D(Op):
    """Largest value of the window; cells outside the image do not take part."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]


@dataclass(frozen=True)
class Concat(Op):
    """Inputs (already on one scale) joined along ``axis``."""

    axis: int


@dataclass(frozen=True)
class Slice(Op):
    """``x[..., begin:end, ...]`` on ``axis``."""

    axis: int
    begin: int
    end: int


@dataclass(frozen=True)
class Pad(Op):
    """Constant padding; ``before``/``after`` per axis, filled with ``value``."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: int


@dataclass(frozen=True)
class Transpose(Op):
    """``y = x.transpose(permutation)``."""

    permutation: tuple[int, ...]


@dataclass(frozen=True)
class Constant(Op):
    """Writes ``value`` (of the output's shape); no inputs. Position embeddings, class tokens."""

    value: Int8Array


@dataclass(frozen=True)
class Reshape(Op):
    """The same bytes under another shape: costs nothing at run time."""


@dataclass
class Graph:
    """Operators in execution order, and every activation by name. One input, one or more outputs."""

    name: str
    input: str
    outputs: tuple[str, ...]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
