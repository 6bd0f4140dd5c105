# SPDX-License-Identifier: Apache-2.0
"""Conversion between arrays of images and the flat buffers of the generated C."""

from __future__ import annotations

import math

import numpy as np

from tinyformer.engine.run.package_files import Package
from tinyformer.engine.schedule.outputs import output_slots
from tinyformer.ir.graph import Int8Array


def input_rows(package: Package, images: Int8Array) -> Int8Array:
    """``images`` (N, H, W, C) as contiguous (N, bytes). Raises ``ValueError`` on another type or shape."""
    shape = package.input_shape
    if images.dtype != np.int8 or images.shape[1:] not in (shape, shape[1:]):
        wanted = ", ".join(map(str, shape[1:]))
        raise ValueError(f"{package.name} takes int8 images of shape (N, {wanted}), not {images.dtype} {images.shape}")
    return np.ascontiguousarray(images).reshape(len(images), math.prod(shape))


def output_bytes(package: Package) -> int:
    """Bytes that one inference writes."""
    offset, size = _slots(package)[-1]
    return offset + size


def _slots(package: Package) -> list[tuple[int, int]]:
    return output_slots(math.prod(shape) for shape in package.output_shapes)


def split_outputs(package: Package, rows: Int8Array) -> list[Int8Array]:
    """The outputs of N inferences (N, bytes), each as (N, ...) without the shape's leading 1."""
    arrays = []
    for shape, (offset, size) in zip(package.output_shapes, _slots(package), strict=True):
        inner = shape[1:] if shape[:1] == (1,) and len(shape) > 1 else shape
        arrays.append(rows[:, offset : offset + size].reshape(len(rows), *inner))
    return arrays
