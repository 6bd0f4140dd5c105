"""Packing for ``tf_batch_matmul_rows``: products of two activations."""

from __future__ import annotations

from collections.abc import Mapping

from tinyformer.engine.packing.description import Call, FieldValue, Implementation, Kernel
from tinyformer.engine.packing.portable import batch_matmul_fields
from tinyformer.engine.packing.rows import TILE_PIXELS, balanced_groups
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Op, Tensor

SOURCES = ("tf_batch_matmul_rows.c", "tf_widen_tile.c", "tf_dense_rows.c", "tf_dense_rows.S", "tf_clamp_bytes.c")


def _pack(op: Op, tensors: Mapping[str, Tensor], limit: int) -> list[Implementation]:
    assert isinstance(op, ir.BatchMatMul)
    contiguous = op.a_strides[2] == 1 and op.y_strides[2] == 1
    if op.m < TILE_PIXELS or op.n < 2 or not contiguous or op.requantization.shift:
        return []
    pairs = -(-op.k // 4) * 2
    record = 4 * (2 * pairs + 5)
    fixed = 4 * 4 + 4 * (TILE_PIXELS * pairs + 1) + 16
    if limit < fixed + record:
        return []
    group = balanced_groups(-(-op.n // 2), (limit - fixed) // record)
    product = {f"product.{name}": value for name, value in batch_matmul_fields(op).items()}
    fields: dict[str, FieldValue] = {**product, "group_columns": group}
    call = Call("batch_matmul_rows", "tf_batch_matmul_rows_params", fields, (0, 1))
    return [Implementation("batch_matmul_rows", SOURCES, (call,), fixed + group * record)]


KERNEL = Kernel("batch_matmul_rows", (ir.BatchMatMul,), _pack)
