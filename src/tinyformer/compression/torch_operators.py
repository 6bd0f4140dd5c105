# SPDX-License-Identifier: Apache-2.0
"""Operators of float graphs in torch, by their ONNX names: how each is trained under quantization.

Element-wise operators are the real functions of the table of operators (:mod:`tinyformer.ir.lowering.table`), with
torch for the array library; what stands here is the rest, and faster forms of some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tinyformer.ir.lowering.arrays import MEMBERS
from tinyformer.ir.lowering.table import OPERATORS

Operator: TypeAlias = Callable[..., Tensor]
Options: TypeAlias = dict[str, Any]
"""A node's attributes."""

_OWN = {"softplus": F.softplus}
TORCH = SimpleNamespace(**{name: _OWN[name] if name in _OWN else getattr(torch, name) for name in MEMBERS})
"""The array library of real functions, on tensors."""

_AS_THEY_ARE = {"auto_pad": "NOTSET", "ceil_mode": 0, "allowzero": 0, "storage_order": 0}
"""Attributes that are understood in their default only."""


def torch_operator(name: str, options: Options) -> Operator | None:
    """What computes a node: a function of tensors and, for integer and single constants, arrays; None if nothing does.

    Constants that a network does not learn (shapes, bounds) come as NumPy arrays.
    """
    function = OPERATORS.get(name)
    if function is None or function.untrained or function.unquantized or function.unread(options):
        return None
    if any(options.get(key, value) != value for key, value in _AS_THEY_ARE.items()):
        return None
    if name in _CONFIGURED:
        return _CONFIGURED[name](options)
    real = function.real
    if real is None:
        return None
    if name in _FASTER:
        return _FASTER[name]
    return lambda *inputs: real(TORCH, options, *map(_tensor, inputs))


def _tensor(value: Any) -> Tensor | None:
    return value if value is None or isinstance(value, Tensor) else torch.as_tensor(float(np.reshape(value, ())))


def _convolution(options: Options) -> Operator:
    def apply(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = weight.ndim - 2
        convolve = {1: F.conv1d, 2: F.conv2d}[rank]
        strides, dilations = options.get("strides", [1] * rank), options.get("dilations", [1] * rank)
        x, padding = _padded(x, options.get("pads", [0] * (2 * rank)), 0.0)
        return convolve(x, weight, bias, strides, padding, dilations, options.get("group", 1))

    return apply


def _padded(x: Tensor, pads: list[int], value: float) -> tuple[Tensor, list[int]]:
    """``x``, padded where its sides differ, and the padding that is left to do, the same on both sides."""
    rank = len(pads) // 2
    before, after = pads[:rank], pads[rank:]
    if before == after:
        return x, before
    widths = [width for pair in zip(reversed(before), reversed(after), strict=True) for width in pair]
    return F.pad(x, widths, value=value), [0] * rank


def _average_pool(options: Options) -> Operator:
    kernel = options["kernel_shape"]
    rank = len(kernel)
    strides, pads = options.get("strides", [1] * rank), options.get("pads", [0] * (2 * rank))
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d}[rank]

    def apply(x: Tensor) -> Tensor:
        padded, padding = _padded(x, pads, 0.0)
        if padding == pads[:rank] == pads[rank:]:
            return pool(x, kernel, strides, padding, count_include_pad=bool(options.get("count_include_pad", 0)))
        cells = _padded(torch.ones_like(x[:1, :1]), pads, float(options.get("count_include_pad", 0)))[0]
        return pool(padded, kernel, strides) / pool(cells, kernel, strides)

    return apply


def _max_pool(options: Options) -> Operator:
    kernel = options["kernel_shape"]
    rank = len(kernel)
    pool = {1: F.max_pool1d, 2: F.max_pool2d}[rank]

    def apply(x: Tensor) -> Tensor:
        x, padding = _padded(x, options.get("pads", [0] * (2 * rank)), -torch.inf)
        return pool(x, kernel, options.get("strides", [1] * rank), padding)

    return apply


def _gemm(options: Options) -> Operator:
    return lambda x, w, b=None: F.linear(x, w if options.get("transB", 0) else w.T, b)


def _layer_norm(options: Options) -> Operator:
    return lambda x, gamma, beta=None: F.layer_norm(x, gamma.shape, gamma, beta, options.get("epsilon", 1e-5))


def _mean(options: Options) -> Operator:
    def apply(x: Tensor, axes: Any = None) -> Tensor:
        dimensions = options["axes"] if axes is None else [int(axis) for axis in axes]
        return x.mean(dim=dimensions, keepdim=bool(options.get("keepdims", 1)))

    return apply


def _reduction(function: Callable[..., Tensor]) -> Callable[[Options], Operator]:
    """Sum, largest or smallest over axes."""

    def configured(options: Options) -> Operator:
        def apply(x: Tensor, axes: Any = None) -> Tensor:
            dimensions = options["axes"] if axes is None else [int(axis) for axis in axes]
            return function(x, dim=dimensions, keepdim=bool(options.get("keepdims", 1)))

        return apply

    return configured


def _pad(options: Options) -> Operator:
    def apply(x: Tensor, widths: Any, value: Any = None, axes: Any = None) -> Tensor:
        half = len(widths) // 2
        which = range(half) if axes is None else [int(axis) % x.ndim for axis in axes]
        pairs = {axis: [int(widths[i]), int(widths[half + i])] for i, axis in enumerate(which)}
        return F.pad(x, [width for axis in reversed(range(x.ndim)) for width in pairs.get(axis, [0, 0])])

    return apply


def _slice(options: Options) -> Operator:
    def apply(x: Tensor, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Tensor:
        cut = [slice(None)] * x.ndim
        for i, axis in enumerate(range(len(starts)) if axes is None else axes):
            cut[int(axis)] = slice(int(starts[i]), int(ends[i]), 1 if steps is None else int(steps[i]))
        return x[tuple(cut)]

    return apply


def _gather(options: Options) -> Operator:
    axis = options.get("axis", 0)
    return lambda x, indices: x[(slice(None),) * (axis % x.ndim) + (torch.as_tensor(np.array(indices)),)]


def _reshape(options: Options) -> Operator:
    return lambda x, shape: x.reshape([x.shape[i] if size == 0 else int(size) for i, size in enumerate(shape)])


def _squeeze(options: Options) -> Operator:
    return lambda x, axes: x.squeeze(tuple(int(axis) for axis in axes))


def _unsqueeze(options: Options) -> Operator:
    def apply(x: Tensor, axes: Any) -> Tensor:
        rank = x.ndim + len(axes)
        for axis in sorted(int(axis) % rank for axis in axes):
            x = x.unsqueeze(axis)
        return x

    return apply


def _depth_to_space(options: Options) -> Operator:
    block = options["blocksize"]

    def apply(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        if options.get("mode", "DCR") == "CRD":
            return F.pixel_shuffle(x, block)
        split = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
        return split.reshape(n, c // block**2, h * block, w * block)

    return apply


def _space_to_depth(options: Options) -> Operator:
    block = options["blocksize"]

    def apply(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        split = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
        return split.reshape(n, c * block**2, h // block, w // block)

    return apply


_FASTER: Mapping[str, Operator] = {"HardSwish": F.hardswish, "Relu": F.relu}
"""Element-wise functions that torch has as one operator."""

_CONFIGURED: Mapping[str, Callable[[Options], Operator]] = {
    "AveragePool": _average_pool,
    "Concat": lambda options: lambda *parts: torch.cat(parts, options["axis"]),
    "Conv": _convolution,
    "DepthToSpace": _depth_to_space,
    "Expand": lambda options: lambda x, shape: x * torch.ones([1, *(int(size) for size in shape[1:])]),
    "Flatten": lambda options: lambda x: x.flatten(options.get("axis", 1)),
    "Gather": _gather,
    "Gelu": lambda options: lambda x: F.gelu(x, approximate=options.get("approximate", "none")),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda options: lambda x: x.mean(dim=(2, 3), keepdim=True),
    "GlobalMaxPool": lambda options: lambda x: x.amax(dim=(2, 3), keepdim=True),
    "LayerNormalization": _layer_norm,
    "MatMul": lambda options: torch.matmul,
    "MaxPool": _max_pool,
    "Pad": _pad,
    "ReduceMean": _mean,
    "ReduceMax": _reduction(torch.amax),
    "ReduceMin": _reduction(torch.amin),
    "ReduceSum": _reduction(torch.sum),
    "Reshape": _reshape,
    "Slice": _slice,
    "Softmax": lambda options: lambda x: x.softmax(options.get("axis", -1)),
    "SpaceToDepth": _space_to_depth,
    "Squeeze": _squeeze,
    "Tile": lambda options: lambda x, repeats: x.repeat([int(count) for count in repeats]),
    "Transpose": lambda options: lambda x: x.permute(options["perm"]),
    "Unsqueeze": _unsqueeze,
}
