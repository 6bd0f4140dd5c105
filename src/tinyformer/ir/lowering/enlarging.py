# SPDX-License-Identifier: Apache-2.0
"""Lowering of operators that repeat elements or make images larger: Expand, Tile, Resize."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir import graph as ir
from tinyformer.ir.arithmetic import requantization
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.function import Attributes, Case, Function, Scale
from tinyformer.ir.lowering.layout import CHANNELS_LAST, in_order
from tinyformer.ir.lowering.network import Node
from tinyformer.ir.lowering.problems import UnsupportedError
from tinyformer.ir.operators.resizing import DROPPED_BITS, WEIGHT_BITS

_LARGEST_RATIO = 64.0
"""Of an interpolation's scales: beyond it its multiplier would need a shift."""

_Places = NDArray[np.float32]


def lower_expand(builder: Builder, node: Node) -> Value:
    """Expand: elements repeated along axes of extent 1."""
    x = builder.values[node.inputs[0]]
    y = builder.rearranged(node, x, np.broadcast_to(x.positions, builder.network.shapes[node.output]))
    return builder.requantized(y, builder.quantization(node.output), node.output)


def lower_tile(builder: Builder, node: Node) -> Value:
    """Tile: the whole repeated along axes."""
    x = builder.values[node.inputs[0]]
    repeats = builder.network.real_input(node, 1)
    if repeats is None:
        raise UnsupportedError("its repeats are computed at run time: only constant ones are supported")
    y = builder.rearranged(node, x, np.tile(x.positions, [int(count) for count in repeats]))
    return builder.requantized(y, builder.quantization(node.output), node.output)


def lower_resize(builder: Builder, node: Node) -> Value:
    """Resize by the nearest cell along any axes, or by linear interpolation of rows and columns."""
    x = builder.values[node.inputs[0]]
    shape = builder.network.shapes[node.output]
    mode = node.attributes.get("mode", "nearest")
    if any(node.inputs[1:2]) and node.attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise UnsupportedError("it crops, too: slice the image before it")
    if node.attributes.get("antialias", 0) and any(a < b for a, b in zip(shape, x.shape, strict=True)):
        raise UnsupportedError("antialias is not supported: export it with antialias = 0, or use average pooling")
    places = [_places(builder, node, axis, size, x.shape[axis]) for axis, size in enumerate(shape)]
    if mode == "nearest":
        nearest = _rounding(node.attributes)
        cells = [
            np.clip(nearest(place), 0, size - 1).astype(np.intp) for place, size in zip(places, x.shape, strict=True)
        ]
        y = builder.rearranged(node, x, x.positions[np.ix_(*cells)])
    elif mode == "linear":
        y = _interpolated(builder, node, x, shape, places)
    else:
        raise UnsupportedError(f"mode {mode!r} is not supported: use 'nearest' or 'linear'")
    return builder.requantized(y, builder.quantization(node.output), node.output)


def _interpolated(builder: Builder, node: Node, x: Value, shape: tuple[int, ...], places: list[_Places]) -> Value:
    if len(shape) == 3:  # a sequence is an image of height 1
        x, shape = Value(x.tensor, x.positions[:, :, None]), (*shape[:2], 1, shape[2])
        places = [*places[:2], np.zeros(1, np.float32), places[2]]
    if len(shape) != 4 or shape[:2] != x.shape[:2] or shape[0] != 1:
        raise UnsupportedError("only rows and columns of one image can be interpolated")
    stored = builder.stored(x, CHANNELS_LAST)
    quantization = builder.tensor_quantization(x.tensor)
    after = builder.quantization(node.output)
    # A scale that is much coarser or finer than any is left to a table.
    ratio, zero_point = quantization.scale / after.scale, 0
    requant = None
    if quantization != after and ratio < _LARGEST_RATIO:
        requant = requantization(ratio * 2.0 ** (DROPPED_BITS - 2 * WEIGHT_BITS), after.zero_point)
        quantization, zero_point = after, quantization.zero_point
    tensor = builder.add_tensor(node.output, tuple(shape[axis] for axis in CHANNELS_LAST), quantization)
    along = node.attributes.get("places", places[2:])
    rows, columns = (_line(along[axis], x.shape[2 + axis]) for axis in (0, 1))
    away = builder.network.ties_away
    builder.emit(ir.Interpolate(node.name, (stored,), tensor, rows, columns, away, zero_point, requant))
    return Value(tensor, in_order(shape, CHANNELS_LAST).reshape(builder.network.shapes[node.output]))


def _line(places: _Places, size: int) -> ir.Line:
    inside = np.clip(places.astype(np.float64), 0, size - 1)
    first = np.floor(inside).astype(np.int32)
    second = np.minimum(first + 1, size - 1).astype(np.int32)
    return ir.Line(first, second, np.rint((inside - first) * 2**WEIGHT_BITS).astype(np.int16))


def _places(builder: Builder, node: Node, axis: int, size: int, before: int) -> _Places:
    """Where the cells of an output axis lie on that of the input, in cells."""
    if size == before:
        return np.arange(size, dtype=np.float32)
    scale = np.float32(_scale(builder, node, axis, size, before))
    cells = np.arange(size, dtype=np.float32)
    half = np.float32(0.5)
    adjustment = np.float32(size) / (scale * np.float32(before))
    middle = np.float32(before / 2) * (np.float32(1) - adjustment)
    coordinates = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    known = {
        "align_corners": cells * np.float32(0 if size == 1 else (before - 1) / (size - 1)),
        "asymmetric": cells * np.float32(1 / _scale(builder, node, axis, size, before)),
        "half_pixel": (cells + half) / scale - half,
        "half_pixel_symmetric": (middle + (cells + half) / scale) - half,
        "pytorch_half_pixel": (cells + half) / scale - half if size > 1 else np.zeros(1, np.float32),
        "tf_half_pixel_for_nn": (cells + half) / scale,
    }
    if coordinates not in known:
        raise UnsupportedError(f"the coordinates {coordinates!r} are not supported: use 'half_pixel' or 'asymmetric'")
    return known[coordinates]


def _scale(builder: Builder, node: Node, axis: int, size: int, before: int) -> float:
    scales = builder.network.real_input(node, 2)
    if scales is None or not scales.size:
        return size / before
    axes = node.attributes.get("axes")
    which = range(len(scales)) if axes is None else [int(a) % len(builder.network.shapes[node.output]) for a in axes]
    found = [float(scales[i]) for i, a in enumerate(which) if a == axis]
    return found[0] if found else size / before


def _rounding(attributes: Attributes) -> Callable[[_Places], NDArray[np.floating]]:
    """Places to cells."""
    match attributes.get("nearest_mode", "round_prefer_floor"):
        case "floor":
            return np.floor
        case "ceil":
            return np.ceil
        case "round_prefer_ceil":
            return lambda place: np.floor(place + np.float32(0.5))
        case _:
            return lambda place: np.ceil(place - np.float32(0.5))


FUNCTIONS = (
    Function(
        "Expand",
        "Rearrange",
        Case((np.array([1, 8, 6, 6]),), shape=(1, 8, 1, 6)),
        lower=lower_expand,
        scale=Scale.KEPT,
        tflite=("BROADCAST_TO",),
    ),
    Function(
        "Tile",
        "Rearrange",
        Case((np.array([1, 1, 2, 1]),)),
        lower=lower_tile,
        scale=Scale.KEPT,
        tflite=("TILE",),
    ),
    Function(
        "Resize",
        "Rearrange, Interpolate",
        Case(("", np.array([1, 1, 2, 2], np.float32)), {"mode": "linear"}),
        lower=lower_resize,
        attributes=(
            "antialias", "axes", "coordinate_transformation_mode", "extrapolation_value", "keep_aspect_ratio_policy",
            "mode", "nearest_mode", "places", "cubic_coeff_a", "exclude_outside",
        ),
        scale=Scale.KEPT,
        untrained="training resizes no feature maps",
        tflite=("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
    ),
)  # fmt: skip
