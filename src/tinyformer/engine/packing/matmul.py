# SPDX-License-Identifier: Apache-2.0
"""Packing for ``tf_batch_matmul_rows``: products of two activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tinyformer.engine.packing.description import Call, FieldValue, Implementation, Kernel
from tinyformer.engine.packing.kernel_files import assembled
from tinyformer.engine.packing.layout import DENSE_TILE_SPARE_WORDS, STREAM_SPARE_WORDS, dense_record_words
from tinyformer.engine.packing.portable import batch_matmul_fields
from tinyformer.engine.packing.row_pairs import TILE_PIXELS, balanced_groups
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Op, Tensor

SOURCES = ("tf_batch_matmul_rows.c", *assembled("dense_rows"), "tf_clamp_bytes.c")


def _pack(op: Op, tensors: Mapping[str, Tensor], limit: int) -> list[Implementation]:
    assert isinstance(op, ir.BatchMatMul)
    inputs = (0, 1)
    if op.y_strides[2] != 1:
        op, inputs = _transposed(op), (1, 0)
    if op.m < TILE_PIXELS or op.n < 2 or op.y_strides[2] != 1 or not _fits(op):
        return []
    pairs = -(-op.k // 4) * 2
    record = 4 * dense_record_words(pairs)
    fixed = 4 * (STREAM_SPARE_WORDS + TILE_PIXELS * pairs + DENSE_TILE_SPARE_WORDS)
    if limit < fixed + record:
        return []
    group = balanced_groups(-(-op.n // 2), (limit - fixed) // record)
    product = {f"product.{name}": value for name, value in batch_matmul_fields(op).items()}
    fields: dict[str, FieldValue] = {**product, "group_columns": group}
    call = Call("batch_matmul_rows", "tf_batch_matmul_rows_params", fields, inputs)
    return [Implementation("batch_matmul_rows", SOURCES, (call,), fixed + group * record)]


def _transposed(op: ir.BatchMatMul) -> ir.BatchMatMul:
    """The product of the transposed operands in reverse order: the same result, transposed."""

    def swapped(strides: tuple[int, int, int]) -> tuple[int, int, int]:
        return strides[0], strides[2], strides[1]

    return replace(
        op, m=op.n, n=op.m,
        a_strides=swapped(op.b_strides), b_strides=swapped(op.a_strides), y_strides=swapped(op.y_strides),
        a_zero_point=op.b_zero_point, b_zero_point=op.a_zero_point,
    )  # fmt: skip


def _fits(op: ir.BatchMatMul) -> bool:
    """Whether int16 holds the right operand times 2**shift, its zero point taken off, and int32 all sums."""
    shift = op.requantization.shift
    left, right = (max(127 - zero, 128 + zero) for zero in (op.a_zero_point, op.b_zero_point))
    return right << shift < 2**15 and op.k * left * right << shift < 2**31


KERNEL = Kernel("batch_matmul_rows", (ir.BatchMatMul,), _pack)
