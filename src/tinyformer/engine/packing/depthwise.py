# SPDX-License-Identifier: Apache-2.0
"""Packing for ``tf_depthwise_3x3``, ``_5x5`` and ``_7x7``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tinyformer.engine.packing.description import Call, Constant, FieldValue, Implementation, Kernel
from tinyformer.engine.packing.kernel_files import assembled
from tinyformer.engine.packing.layout import FILTER_3X3_WORDS, filter_words
from tinyformer.engine.packing.portable import window_fields
from tinyformer.engine.packing.row_pairs import shift_folds
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Op, Tensor

SIZES = (3, 5, 7)
"""Heights and widths of filters that there are kernels for."""

_GROUPS = (32, 16, 8, 4)
"""Channels widened at a time, best first: 32 are a line of the data cache."""

_LEAST_BAND = 4
"""Output rows of a band below which fewer channels at a time are better: neighbouring bands widen rows twice."""


def _sources(name: str, width: int) -> tuple[str, ...]:
    common = ("tf_depthwise_body.c", *assembled("widen_pairs"), "tf_clamp_bytes.c")
    return (f"tf_{name}.c", *assembled(f"depthwise_row_{width}x{width}"), *common)


def _squared(op: ir.DepthwiseConv2D) -> ir.DepthwiseConv2D:
    """``op`` with zero taps, where that makes its filter one of :data:`SIZES`, else itself.

    So are filters of one row or column, of even size, and dilated ones: more products are multiplied, but by a kernel
    that takes a small part of the time for each.
    """
    height, width, channels = op.weights.shape
    (down, across) = op.dilation
    tall, wide = (height - 1) * down + 1, (width - 1) * across + 1
    size = next((size for size in SIZES if size >= max(tall, wide)), None)
    if size is None or (tall, wide, down, across) == (size, size, 1, 1):
        return op
    above, left = (size - tall) // 2, (size - wide) // 2
    weights = np.zeros((size, size, channels), np.int8)
    weights[above : above + tall : down, left : left + wide : across] = op.weights
    top, bottom, before, after = op.padding
    padding = (top + above, bottom + size - tall - above, before + left, after + size - wide - left)
    return replace(op, weights=weights, padding=padding, dilation=(1, 1))


def _pack(op: Op, tensors: Mapping[str, Tensor], limit: int) -> list[Implementation]:
    assert isinstance(op, ir.DepthwiseConv2D)
    x, y = tensors[op.inputs[0]], tensors[op.output]
    given, op = op, _squared(op)
    height, width, channels = op.weights.shape
    stride = op.stride[0]
    strides = ((1, 1), (2, 2))
    if width not in SIZES or op.stride not in strides or op.dilation != (1, 1) or not shift_folds(op):
        return []
    pairs = -(-height // 2)
    out_height, out_width = y.shape[1:3]
    line = (max(out_width, 4) - 1) * stride + width
    if op is not given and op.padding[2] + x.shape[2] > line:
        return []

    words = FILTER_3X3_WORDS if width == 3 else filter_words(width)

    def scratch(group: int, band: int) -> int:
        # With stride 2, and for filters of 3 x 3, planes have a line for every other row only.
        step = 2 if stride == 2 or width == 3 else 1
        lines = (band - 1) * stride // step + (pairs - 1) * 2 // step + 1
        return int(group * (4 * lines * line + 4 * words + 5))

    whole = -(-channels // 4) * 4
    fitting = [
        (group, band)
        for group in (min(group, whole) for group in _GROUPS)
        for band in range(out_height, 0, -1)
        if scratch(group, band) <= limit and (group == 4 or band >= min(_LEAST_BAND, out_height))
    ]
    if not fitting:
        return []
    group, band = fitting[0]
    band = -(-out_height // -(-out_height // band))  # as many bands, of equal size
    padded = np.zeros((2 * pairs, width, channels), np.int8)
    padded[:height] = op.weights
    stored = padded.reshape(pairs, 2, width, channels).transpose(3, 0, 2, 1)
    r = op.requantization
    multipliers = np.broadcast_to(r.multipliers, channels)
    fields: dict[str, FieldValue] = {
        **window_fields(op, (height, width), x, y),
        "group_channels": group, "band_rows": band,
        "weights": Constant(np.ascontiguousarray(stored).reshape(-1)),
        "channels": Constant(np.stack([op.bias << r.shift, multipliers], axis=1).astype(np.int32).reshape(-1)),
        "weight_shift": r.shift, "zero_point": r.zero_point, "low": r.low, "high": r.high,
    }  # fmt: skip
    name = f"depthwise_{width}x{width}"
    call = Call(name, "tf_depthwise_rows_params", fields)
    # One band holds the whole planes of a group, and a group's outputs lie where its inputs were.
    in_place = (0,) if band == out_height and x.shape == y.shape else ()
    return [Implementation(name, _sources(name, width), (call,), scratch(group, band), in_place, encoding="dense")]


KERNEL = Kernel("depthwise_by_rows", (ir.DepthwiseConv2D,), _pack)
