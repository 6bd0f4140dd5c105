# SPDX-License-Identifier: Apache-2.0
"""Random integer graphs with valid parameters: every operator, odd sizes, degenerate shapes, sparse weights.

The structure comes from a :class:`Choices`, which either hypothesis (``tests.strategies``) or a seeded generator
(:func:`random_graph`) implements; weights and tables come from a seed, so that examples stay small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir import arithmetic
from tinyformer.ir import graph as ir
from tinyformer.ir.blocks import from_blocks, to_blocks
from tinyformer.ir.lowering import lower
from tinyformer.ir.lowering.network import Constant, Network, Node
from tinyformer.ir.lowering.table import OPERATORS as FUNCTIONS
from tinyformer.ir.operators.elementwise import ZERO_DIVISOR, Div
from tinyformer.ir.operators.rows import RoundedLayerNorm
from tinyformer.ir.quantization import Quantization
from tinyformer.ir.windows import output_size, window_counts

T = TypeVar("T")

LARGEST_TENSOR = 6000
"""Elements; keeps examples fast."""

BLOCKS = ((1, 2), (1, 4), (2, 2), (2, 4), (4, 2), (4, 4), (8, 2))


class Choices(Protocol):
    """Where the structure of a random graph comes from."""

    def integer(self, low: int, high: int) -> int:
        """Any integer from ``low`` to ``high``, both included."""

    def one_of(self, options: Sequence[T]) -> T:
        """Any of ``options``."""


class SeededChoices:
    """Choices from a NumPy generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def integer(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def one_of(self, options: Sequence[T]) -> T:
        return options[int(self._rng.integers(len(options)))]


class GraphBuilder:
    """Appends operators with valid random parameters to a graph; every method returns the new tensor's name."""

    def __init__(self, choices: Choices, seed: int, shape: tuple[int, ...]) -> None:
        self.choices = choices
        self.rng = np.random.default_rng(seed)
        self.graph = ir.Graph("random", "input", ())
        self._tensor("input", shape)

    # Helpers

    def shape(self, name: str) -> tuple[int, ...]:
        return self.graph.tensors[name].shape

    def tensor(self, name: str) -> ir.Tensor:
        return self.graph.tensors[name]

    def _tensor(self, name: str, shape: tuple[int, ...], like: str | None = None) -> str:
        if like is not None:
            scale, zero_point = self.tensor(like).scale, self.tensor(like).zero_point
        else:
            scale = float(self.rng.uniform(0.01, 0.06))
            zero_point = self.choices.one_of((0, -128, 127, int(self.rng.integers(-128, 128))))
        self.graph.tensors[name] = ir.Tensor(name, tuple(int(size) for size in shape), scale, zero_point)
        return name

    def _new(self, kind: str, shape: tuple[int, ...], like: str | None = None) -> str:
        return self._tensor(f"{kind}_{len(self.graph.ops)}", shape, like)

    def _weights(self, outputs: int, taps: int, inputs: int) -> NDArray[np.int8]:
        """(O, taps, I): dense, block-sparse, with whole channels missing, or extreme."""
        weights = self.rng.integers(-127, 128, (outputs, taps, inputs)).astype(np.int8)
        pattern = self.choices.one_of(("dense", "dense", "blocks", "blocks", "scattered", "extreme", "zero"))
        if pattern == "blocks":
            blocks = to_blocks(weights, self.choices.one_of(BLOCKS)).copy()
            keep = self.rng.random(blocks.shape[:3]) < self.choices.one_of((0.05, 0.2, 0.5, 0.9))
            weights = from_blocks(blocks * keep[..., None, None], outputs, inputs).astype(np.int8)
        elif pattern == "scattered":
            weights *= (self.rng.random(weights.shape) < 0.3).astype(np.int8)
        elif pattern == "extreme":
            weights = self.rng.choice(np.array([-128, 127], np.int8), weights.shape)
        elif pattern == "zero":
            weights[self.rng.random(outputs) < 0.7] = 0
        return weights

    def _bias(self, weights: NDArray[np.int8]) -> NDArray[np.int32]:
        """Within a few times what the sum of products reaches."""
        spread = 60 * np.abs(weights.reshape(len(weights), -1).astype(np.int64)).sum(axis=1) + 100
        return self.rng.integers(-spread, spread + 1).astype(np.int32)

    def _requantization(self, typical: NDArray[np.float64] | float, output: str) -> ir.Requantization:
        """Multipliers that spread accumulators of ``typical`` size over INT8, one a channel or one for all."""
        spread = np.atleast_1d(np.asarray(typical, np.float64))
        if spread.size > 1 and self.choices.integer(0, 3) == 0:
            spread = spread.max(keepdims=True)
        real = self.choices.one_of((20.0, 60.0, 200.0)) / np.maximum(spread, 1e-3)
        low, high = self.choices.one_of(((-128, 127), (-128, 127), (self.tensor(output).zero_point, 127), (-100, 90)))
        return arithmetic.requantization(real, self.tensor(output).zero_point, low, high)

    def _typical(self, weights: NDArray[np.int8]) -> NDArray[np.float64]:
        return 70 * np.sqrt((weights.reshape(len(weights), -1).astype(np.float64) ** 2).sum(axis=1)) + 1

    # Operators

    def conv(self, x: str, *, kernel: int | None = None) -> str:
        _, height, width, inputs = self.shape(x)
        size = (kernel, kernel) if kernel else (self.choices.integer(1, 5), self.choices.integer(1, 5))
        groups = self.choices.one_of([g for g in (1, 1, 1, 2, 3, 4) if inputs % g == 0])
        outputs = groups * self.choices.integer(1, max(1, 24 // groups))
        window = self._window((height, width), size)
        stride, padding, dilation, out = window
        weights = self._weights(outputs, size[0] * size[1], inputs // groups)
        y = self._new("conv", (1, *out, outputs))
        op = ir.Conv2D(
            name=y, inputs=(x,), output=y, weights=weights.reshape(outputs, *size, -1), bias=self._bias(weights),
            stride=stride, padding=padding, dilation=dilation, groups=groups, pad_value=self.tensor(x).zero_point,
            requantization=self._requantization(self._typical(weights), y),
        )  # fmt: skip
        self.graph.ops.append(op)
        return y

    def pointwise(self, x: str) -> str:
        return self.conv(x, kernel=1)

    def depthwise(self, x: str) -> str:
        _, height, width, channels = self.shape(x)
        size = self.choices.one_of(((3, 3), (3, 3), (5, 5), (7, 7), (1, 1), (2, 3), (1, 5), (4, 1)))
        stride, padding, dilation, out = self._window((height, width), size)
        weights = self._weights(channels, size[0] * size[1], 1)
        y = self._new("depthwise", (1, *out, channels))
        op = ir.DepthwiseConv2D(
            name=y, inputs=(x,), output=y, weights=np.ascontiguousarray(weights[:, :, 0].T).reshape(*size, channels),
            bias=self._bias(weights), stride=stride, padding=padding, dilation=dilation,
            pad_value=self.tensor(x).zero_point, requantization=self._requantization(self._typical(weights), y),
        )  # fmt: skip
        self.graph.ops.append(op)
        return y

    def linear(self, x: str, outputs: int | None = None) -> str:
        *rows, inputs = self.shape(x)
        outputs = outputs or self.choices.integer(1, 40)
        weights = self._weights(outputs, 1, inputs)[:, 0]
        y = self._new("linear", (*rows, outputs))
        requantization = self._requantization(self._typical(weights), y)
        self.graph.ops.append(ir.Linear(y, (x,), y, weights, self._bias(weights), requantization))
        return y

    def attention(self, x: str) -> str:
        """Scores, softmax and context of several heads, all addressed by strides."""
        x = self.tokens(x)
        _, tokens, width = self.shape(x)
        heads, head = self.choices.integer(1, 3), self.choices.integer(1, 9)
        inner = heads * head
        query, key, value = (self.linear(x, inner) for _ in range(3))
        by_head = (tokens * tokens, tokens, 1)
        scores = self._matmul(
            query,
            key,
            (1, heads, tokens, tokens),
            (heads, tokens, head, tokens),
            (head, inner, 1),
            (head, 1, inner),
            by_head,
        )
        weights = self.softmax(scores)
        context = self._matmul(
            weights,
            value,
            (1, tokens, inner),
            (heads, tokens, tokens, head),
            by_head,
            (head, inner, 1),
            (head, inner, 1),
            typical=13_000.0 / np.sqrt(tokens),  # means of values, whose weights sum up to about 255
        )
        return self.linear(context, width)

    def matmul(self, x: str) -> str:
        """(1, T, C) times a transposed (1, T, C) made from it."""
        x = self.tokens(x)
        _, tokens, width = self.shape(x)
        other = self.linear(x, width)
        shape = (1, tokens, tokens)
        strides = (0, width, 1), (0, 1, width), (0, tokens, 1)
        return self._matmul(x, other, shape, (1, tokens, width, tokens), *strides)

    def _matmul(
        self,
        a: str,
        b: str,
        shape: tuple[int, ...],
        sizes: tuple[int, int, int, int],
        *strides: tuple[int, int, int],
        typical: float | None = None,
    ) -> str:
        batch, m, k, n = sizes
        y = self._new("matmul", shape)
        op = ir.BatchMatMul(
            name=y, inputs=(a, b), output=y, batch=batch, m=m, k=k, n=n, a_strides=strides[0], b_strides=strides[1],
            y_strides=strides[2], a_zero_point=self.tensor(a).zero_point, b_zero_point=self.tensor(b).zero_point,
            requantization=self._requantization(typical or 5000.0 * np.sqrt(k), y),
        )  # fmt: skip
        self.graph.ops.append(op)
        return y

    def softmax(self, x: str) -> str:
        y = f"softmax_{len(self.graph.ops)}"
        scale = self.choices.one_of((1 / 256, 1 / 255, 1 / 127, 0.001))
        zero_point = self.choices.one_of((-128, 0))
        self.graph.tensors[y] = ir.Tensor(y, self.shape(x), scale, zero_point)
        source = ir.Tensor("", (), float(self.rng.uniform(0.003, 0.3)), 0)
        p = arithmetic.softmax_parameters(self.shape(x)[-1], source, self.tensor(y))
        self.graph.ops.append(ir.Softmax(y, (x,), y, p.exponentials, p.sum_shift, p.numerator, zero_point))
        return y

    def layer_norm(self, x: str) -> str:
        n = self.shape(x)[-1]
        y = self._new("layer_norm", self.shape(x))
        gamma = self.rng.normal(0, self.choices.one_of((0.3, 1.0)), n)
        epsilon = self.choices.one_of((1e-5, 1e-12, 1.0))
        p = arithmetic.layernorm_parameters(gamma, self.rng.normal(0, 0.5, n), epsilon, self.tensor(x), self.tensor(y))
        self.graph.ops.append(ir.LayerNorm(y, (x,), y, p.gamma, p.beta, p.epsilon, p.pre_shift, p.post_shift))
        return y

    def rounded_layer_norm(self, x: str) -> str:
        """Of rows whose variance has few steps, or saturates, here and there."""
        n = self.shape(x)[-1]
        y = self._new("rounded_layer_norm", self.shape(x))
        gamma, beta = self.rng.normal(0, 1, n), self.rng.normal(0, 0.5, n)
        p = arithmetic.layernorm_parameters(gamma, beta, 1e-5, self.tensor(x), self.tensor(y))
        scale = self.tensor(x).scale ** 2 * float(10 ** self.rng.uniform(-0.5, 1.5))
        variance = Quantization(scale, -128)
        totals = variance.real(np.arange(-128, 128)) + self.choices.one_of((0.0, 1e-5))
        s = arithmetic.variance_steps(n, p.pre_shift, self.tensor(x).scale, variance, totals)
        self.graph.ops.append(
            RoundedLayerNorm(
                y, (x,), y, p.gamma, p.beta, s.multipliers, s.variance_multiplier, s.variance_shift, s.first_step,
                p.pre_shift, p.post_shift,
            )
        )  # fmt: skip
        return y

    def add(self, x: str) -> str:
        """x plus (or minus) a table of it or an earlier tensor of its shape."""
        same = [name for name in self.graph.tensors if self.shape(name) == self.shape(x) and name != x]
        other = self.choices.one_of(same) if same and self.choices.integer(0, 2) else self.lut(x)
        y = self._new("add", self.shape(x))
        low, high = self.choices.one_of(((-128, 127), (-128, 127), (-20, 127), (-100, 60)))
        sign = self.choices.one_of((1, 1, -1))
        p = arithmetic.add_parameters(self.tensor(x), self.tensor(other), self.tensor(y), sign)
        self.graph.ops.append(ir.Add(y, (x, other), y, p.multiplier_a, p.multiplier_b, p.offset, p.shift, low, high))
        return y

    def mul(self, x: str) -> str:
        return self._multiply(x, self.lut(x))

    def excite(self, x: str) -> str:
        """Squeeze and excite: x times one factor a channel."""
        if len(self.shape(x)) != 4:
            x = self.image(x)
        return self._multiply(x, self.lut(self.global_average_pool(x)))

    def _multiply(self, a: str, b: str) -> str:
        y = self._new("mul", self.shape(a))
        op = ir.Mul(y, (a, b), y, self.tensor(a).zero_point, self.tensor(b).zero_point, self._requantization(6000.0, y))
        self.graph.ops.append(op)
        return y

    def div(self, x: str) -> str:
        """By a tensor that is 0 here and there."""
        divisor, y = self.lut(x), self._new("div", self.shape(x))
        steps = np.arange(-128, 128) - self.tensor(divisor).zero_point
        scale = float(self.rng.uniform(0.05, 40.0))
        multipliers, shift = arithmetic.quantize_multiplier(scale / np.maximum(np.abs(steps), 1))
        signed = np.where(steps == 0, ZERO_DIVISOR, np.sign(steps) * multipliers.astype(np.int64)).astype(np.int32)
        low, high = self.choices.one_of(((-128, 127), (-128, 127), (-20, 127), (-100, 60)))
        r = ir.Requantization(multipliers[:1], shift, self.tensor(y).zero_point, low, high)
        self.graph.ops.append(Div(y, (x, divisor), y, self.tensor(x).zero_point, signed, r))
        return y

    def lut(self, x: str) -> str:
        y = self._new("lut", self.shape(x))
        table = self.rng.integers(-128, 128, 256).astype(np.int8)
        self.graph.ops.append(ir.Lut(y, (x,), y, table))
        return y

    def average_pool(self, x: str) -> str:
        return self._pool(x, average=True)

    def max_pool(self, x: str) -> str:
        return self._pool(x, average=False)

    def _pool(self, x: str, *, average: bool) -> str:
        _, height, width, channels = self.shape(x)
        kernel = (self.choices.integer(1, min(4, height)), self.choices.integer(1, min(4, width)))
        stride = (self.choices.integer(1, 3), self.choices.integer(1, 3))
        padding = tuple(self.choices.integer(0, size // 2) for size in (kernel[0], kernel[0], kernel[1], kernel[1]))
        top, bottom, left, right = padding
        out = (
            output_size(height, kernel[0], stride[0], top + bottom),
            output_size(width, kernel[1], stride[1], left + right),
        )
        window = (top, bottom, left, right)
        if not average:
            y = self._new("max_pool", (1, *out, channels), like=x)
            self.graph.ops.append(ir.MaxPool2D(y, (x,), y, kernel, stride, window))
            return y
        y = self._new("average_pool", (1, *out, channels))
        counts = window_counts((height, width), kernel, stride, window, out)
        uniform = bool(np.all(counts == kernel[0] * kernel[1])) or self.choices.integer(0, 1) == 0
        return self._average(x, y, kernel, stride, window, uniform)

    def global_average_pool(self, x: str) -> str:
        if len(self.shape(x)) != 4:
            x = self.image(x)
        _, height, width, channels = self.shape(x)
        kernel = (height, width)
        return self._average(x, self._new("global_pool", (1, 1, 1, channels)), kernel, kernel, (0, 0, 0, 0), True)

    def _average(
        self,
        x: str,
        y: str,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int, int, int],
        uniform: bool,
    ) -> str:
        before, after = self.tensor(x), self.tensor(y)
        requantization = arithmetic.average_pool_requantization(
            before.scale, after.scale, after.zero_point, kernel[0] * kernel[1], uniform
        )
        right_shift = 0
        if uniform and self.choices.integer(0, 3) == 0:  # rounded twice
            multiplier, right_shift = int(self.rng.integers(2**29, 2**31)), self.choices.integer(1, 9)
            requantization = ir.Requantization(np.array([multiplier], np.int32), 1, after.zero_point, -100, 110)
        op = ir.AveragePool2D(y, (x,), y, kernel, stride, padding, before.zero_point, requantization, right_shift)
        self.graph.ops.append(op)
        return y

    def concat(self, x: str) -> str:
        axis = self.choices.integer(1, len(self.shape(x)) - 1)
        count = self.choices.integer(2, 3)
        parts = [x, *(self.lut(x) for _ in range(count - 1))]
        shape = list(self.shape(x))
        shape[axis] *= count
        y = self._new("concat", tuple(shape), like=x)
        self.graph.ops.append(ir.Concat(y, tuple(parts), y, axis))
        return y

    def slice(self, x: str) -> str:
        axis = self.choices.integer(1, len(self.shape(x)) - 1)
        begin = self.choices.integer(0, self.shape(x)[axis] - 1)
        end = self.choices.integer(begin + 1, self.shape(x)[axis])
        shape = tuple(end - begin if i == axis else size for i, size in enumerate(self.shape(x)))
        y = self._new("slice", shape, like=x)
        self.graph.ops.append(ir.Slice(y, (x,), y, axis, begin, end))
        return y

    def pad(self, x: str) -> str:
        rank = len(self.shape(x))
        before = (0, *(self.choices.integer(0, 2) for _ in range(rank - 1)))
        after = (0, *(self.choices.integer(0, 2) for _ in range(rank - 1)))
        shape = tuple(a + size + b for a, size, b in zip(before, self.shape(x), after, strict=True))
        y = self._new("pad", shape, like=x)
        value = self.choices.one_of((self.tensor(x).zero_point, self.choices.integer(-128, 127)))
        self.graph.ops.append(ir.Pad(y, (x,), y, before, after, value))
        return y

    def transpose(self, x: str) -> str:
        axes = list(range(1, len(self.shape(x))))
        permutation = [0]
        while axes:
            permutation.append(axes.pop(self.choices.integer(0, len(axes) - 1)))
        y = self._new("transpose", tuple(self.shape(x)[axis] for axis in permutation), like=x)
        self.graph.ops.append(ir.Transpose(y, (x,), y, tuple(permutation)))
        return y

    def rearrange(self, x: str) -> str:
        """A permutation, strides, repetition or reflection, some of it along an axis, with or without filled cells."""
        shape = self.shape(x)
        positions = np.arange(self.tensor(x).size, dtype=np.int32).reshape(shape)
        axis = self.choices.integer(1, len(shape) - 1)
        size = shape[axis]
        kind = self.choices.one_of(("any", "step", "repeat", "reflect", "fill"))
        if kind == "any":
            count = self.choices.integer(1, 2 * size)
            indices = positions.take(self.rng.integers(0, size, count), axis)
        elif kind == "step":
            indices = positions.take(np.arange(size)[:: self.choices.one_of((-2, -1, 2))], axis)
        elif kind == "repeat":
            indices = np.repeat(positions, 2, axis)
        else:
            widths = [(0, 0), *((self.choices.integer(0, n - 1), self.choices.integer(0, n - 1)) for n in shape[1:])]
            padded = {"reflect": {"mode": "reflect"}, "fill": {"constant_values": -1}}[kind]
            indices = np.pad(positions, widths, **padded)
        y = self._new("rearrange", indices.shape, like=x)
        self.graph.ops.append(ir.Rearrange(y, (x,), y, indices.reshape(-1), int(self.rng.integers(-128, 128))))
        return y

    def extremum(self, x: str) -> str:
        y = self._new("extremum", self.shape(x), like=x)
        self.graph.ops.append(ir.Extremum(y, (x, self.lut(x)), y, self.choices.one_of((True, False))))
        return y

    def interpolate(self, x: str) -> str:
        shape = self.shape(x)
        lines = []
        for size in shape[1:3]:
            cells = self.choices.integer(1, 2 * size)
            weights = self.rng.integers(0, 2**11 + 1, cells).astype(np.int16)
            weights[:: self.choices.one_of((1, 2))] = self.choices.one_of((0, 1024, 2048))
            lines.append(ir.Line(*(self.rng.integers(0, size, cells).astype(np.int32) for _ in range(2)), weights))
        same = self.choices.one_of((True, False))
        y = self._new("interpolate", (1, *(len(line.first) for line in lines), shape[3]), like=x if same else None)
        away, before, after = self.choices.one_of((True, False)), self.tensor(x), self.tensor(y)
        requant = None
        if not same:
            requant = arithmetic.requantization(before.scale / after.scale / 2**14, after.zero_point, -100, 110)
        self.graph.ops.append(ir.Interpolate(y, (x,), y, *lines, away, before.zero_point * (not same), requant))
        return y

    def masked_softmax(self, x: str) -> str:
        name = self.softmax(x)
        plain = self.graph.ops[-1]
        assert isinstance(plain, ir.Softmax)
        *outer, columns = self.shape(x)
        rows = self.choices.one_of((1, int(outer[-1])))
        mask = self.rng.integers(0, 2, (rows, columns)).astype(np.uint8)
        mask[np.arange(rows), self.rng.integers(0, columns, rows)] = 1
        parts = (plain.exponentials, plain.sum_shift, plain.numerator, plain.zero_point)
        self.graph.ops[-1] = ir.MaskedSoftmax(name, (x,), name, *parts, mask)
        return name

    def constant_add(self, x: str) -> str:
        """A position embedding."""
        constant = self._new("constant", self.shape(x))
        value = self.rng.integers(-128, 128, self.shape(x)).astype(np.int8)
        self.graph.ops.append(ir.Constant(constant, (), constant, value))
        y = self._new("add", self.shape(x))
        p = arithmetic.add_parameters(self.tensor(x), self.tensor(constant), self.tensor(y))
        self.graph.ops.append(ir.Add(y, (x, constant), y, p.multiplier_a, p.multiplier_b, p.offset, p.shift, -128, 127))
        return y

    def function(self, x: str, name: str) -> str:
        """An element-wise operator of the table of operators, with a random constant for each channel."""
        stored = self.shape(x)
        logical = (1, stored[3], *stored[1:3]) if len(stored) == 4 else stored
        slopes = self.rng.normal(0, 0.8, (stored[-1], *[1] * (2 * (len(stored) == 4))))
        before = Quantization(self.tensor(x).scale, self.tensor(x).zero_point)
        y = self._new(name.lower(), stored)
        after = Quantization(self.tensor(y).scale, self.tensor(y).zero_point)
        network = Network(
            name="random",
            input="x",
            outputs=["y"],
            nodes=[Node(name, "node", ["x", "constant"], "y")],
            shapes={"x": logical, "constant": slopes.shape, "y": logical},
            constants={"constant": Constant(slopes)},
            quantization={"x": before, "y": after},
        )
        part = lower(network)
        names = {part.input: x, part.outputs[0]: y}
        names |= {other: f"{y}.{other}" for other in part.tensors if other not in names}
        for old, tensor in part.tensors.items():
            self.graph.tensors[names[old]] = replace(tensor, name=names[old])
        for op in part.ops:
            inputs = tuple(names[source] for source in op.inputs)
            self.graph.ops.append(replace(op, name=f"{y}.{op.name}", inputs=inputs, output=names[op.output]))
        return y

    def tokens(self, x: str) -> str:
        """An image as tokens (1, H*W, C); tokens stay as they are."""
        shape = self.shape(x)
        if len(shape) == 3:
            return x
        width = shape[-1]
        return self._reshape(x, (1, self.tensor(x).size // width, width))

    def image(self, x: str) -> str:
        """Tokens as an image (1, T, 1, C)."""
        shape = self.shape(x)
        return self._reshape(x, (1, self.tensor(x).size // shape[-1], 1, shape[-1])) if len(shape) != 4 else x

    def reshape(self, x: str) -> str:
        return self.tokens(x) if len(self.shape(x)) == 4 else self.image(x)

    def _reshape(self, x: str, shape: tuple[int, ...]) -> str:
        y = self._new("reshape", shape, like=x)
        self.graph.ops.append(ir.Reshape(y, (x,), y))
        return y

    def _window(
        self, image: tuple[int, int], kernel: tuple[int, int]
    ) -> tuple[tuple[int, int], tuple[int, int, int, int], tuple[int, int], tuple[int, int]]:
        """(stride, padding, dilation, output size), padded so that the kernel fits at least once."""
        stride = (self.choices.integer(1, 3), self.choices.integer(1, 3))
        dilation = (self.choices.one_of((1, 1, 1, 2)), self.choices.one_of((1, 1, 1, 2)))
        same = self.choices.integer(0, 1) == 1
        padding: list[int] = []
        for size, taps, step in zip(image, kernel, dilation, strict=True):
            reach = step * (taps - 1)
            before = reach // 2 if same else self.choices.integer(0, min(2, reach))
            after = reach - reach // 2 if same else self.choices.integer(0, min(2, reach))
            after += max(0, reach + 1 - size - before - after)
            padding += [before, after]
        top, bottom, left, right = padding
        out = (
            output_size(image[0], kernel[0], stride[0], top + bottom, dilation[0]),
            output_size(image[1], kernel[1], stride[1], left + right, dilation[1]),
        )
        return stride, (top, bottom, left, right), dilation, out


IMAGE_OPERATORS: tuple[Callable[[GraphBuilder, str], str], ...] = (
    GraphBuilder.conv,
    GraphBuilder.pointwise,
    GraphBuilder.depthwise,
    GraphBuilder.average_pool,
    GraphBuilder.max_pool,
    GraphBuilder.global_average_pool,
    GraphBuilder.excite,
    GraphBuilder.interpolate,
)
"""Operators that take (1, H, W, C)."""


def _tabled(name: str) -> Callable[[GraphBuilder, str], str]:
    def apply(builder: GraphBuilder, x: str) -> str:
        return builder.function(x, name)

    apply.__name__ = f"channel_{name.lower()}"
    return apply


TABLED = tuple(_tabled(name) for name, function in FUNCTIONS.items() if function.real and function.lower)
"""Element-wise operators with kernels: whatever the table of operators has."""

ANY_OPERATORS: tuple[Callable[[GraphBuilder, str], str], ...] = (
    GraphBuilder.linear,
    GraphBuilder.attention,
    GraphBuilder.matmul,
    GraphBuilder.softmax,
    GraphBuilder.layer_norm,
    GraphBuilder.rounded_layer_norm,
    GraphBuilder.add,
    GraphBuilder.mul,
    GraphBuilder.div,
    GraphBuilder.lut,
    GraphBuilder.concat,
    GraphBuilder.slice,
    GraphBuilder.pad,
    GraphBuilder.transpose,
    GraphBuilder.constant_add,
    GraphBuilder.reshape,
    GraphBuilder.rearrange,
    GraphBuilder.extremum,
    GraphBuilder.masked_softmax,
    *TABLED,
)
"""Operators that take images and tokens."""

OPERATORS = {operator.__name__: operator for operator in (*IMAGE_OPERATORS, *ANY_OPERATORS)}
"""By name, for tests of one kind of operator at a time."""


def build_graph(choices: Choices, seed: int, operators: int, first: str | None = None) -> ir.Graph:
    """A random chain of about ``operators`` operators, with side branches; ``first`` fixes the kind of the first."""
    height, width = choices.integer(1, 9), choices.integer(1, 9)
    builder = GraphBuilder(choices, seed, (1, height, width, choices.integer(1, 19)))
    x = "input"
    for i in range(operators):
        admissible = [*ANY_OPERATORS, *(IMAGE_OPERATORS if len(builder.shape(x)) == 4 else ())]
        operator = OPERATORS[first] if first and i == 0 else choices.one_of(admissible)
        x = operator(builder, x)
        if builder.tensor(x).size > LARGEST_TENSOR:
            break
    builder.graph.outputs = (x,)
    return builder.graph


def random_graph(seed: int, operators: int = 6) -> ir.Graph:
    """A random graph from a seed alone."""
    rng = np.random.default_rng(seed)
    return build_graph(SeededChoices(rng), int(rng.integers(2**32)), operators)


def random_images(graph: ir.Graph, seed: int, count: int = 4) -> NDArray[np.int8]:
    """Inputs (N, H, W, C): noise, then extremes."""
    rng = np.random.default_rng(seed)
    shape = graph.tensors[graph.input].shape[1:]
    images = rng.integers(-128, 128, (count, *shape)).astype(np.int8)
    if count > 1:
        images[-1] = rng.choice(np.array([-128, 127], np.int8), shape)
    return images
