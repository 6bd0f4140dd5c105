# SPDX-License-Identifier: Apache-2.0
"""Rearrangements as small tables: pieces of equal size, at the sum of an offset by row and one by column."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyformer.engine.packing.description import Call, Constant, FieldValue, Kernel
from tinyformer.engine.packing.portable import Tensors, one_call
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Op

_NOWHERE = -(2**29)
"""An offset whose sum with any other is negative."""


@dataclass(frozen=True)
class Pieces:
    """Piece (i, j) of ``size`` elements begins at ``rows[i] + columns[j]`` of the input; negative: filled."""

    size: int
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]


def pieces(indices: NDArray[np.int32]) -> Pieces:
    """The smallest tables that say the same as ``indices`` (n,), in which -1 marks elements that are filled."""
    before, behind = indices[:-1], indices[1:]
    follows: NDArray[np.bool_] = np.where(behind < 0, before < 0, (before >= 0) & (behind == before + 1))
    breaks = np.flatnonzero(np.logical_not(follows)) + 1
    size = math.gcd(indices.size, *(int(i) for i in breaks))
    heads = indices[::size].astype(np.int32)
    heads = np.where(heads < 0, _NOWHERE, heads).astype(np.int32)
    best = Pieces(size, np.zeros(1, np.int32), heads)
    for width in _divisors(heads.size):
        found = _outer_sum(heads.reshape(-1, width))
        if found is not None and len(found[0]) + len(found[1]) < len(best.rows) + len(best.columns):
            best = Pieces(size, *found)
    return best


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def _outer_sum(table: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]] | None:
    """Rows and columns whose sums are ``table``, if there are any; whole rows and columns of it may be filled."""
    outside = table < 0
    rows_out, columns_out = np.all(outside, axis=1), np.all(outside, axis=0)
    if not np.array_equal(outside, np.logical_or(rows_out[:, None], columns_out)):
        return None
    rows_in, columns_in = np.logical_not(rows_out), np.logical_not(columns_out)
    inside = table[rows_in][:, columns_in]
    rows, columns = np.full(len(table), _NOWHERE, np.int32), np.full(table.shape[1], _NOWHERE, np.int32)
    if inside.size:
        rows[rows_in] = inside[:, 0]
        columns[columns_in] = inside[0] - inside[0, 0]
        if not np.array_equal(inside, rows[rows_in][:, None] + columns[columns_in]):
            return None
    return rows, columns


def _rearrange(op: Op, tensors: Tensors) -> Call:
    """The parameters of ``tf_rearrange``."""
    assert isinstance(op, ir.Rearrange)
    table = pieces(op.indices)
    fields: dict[str, FieldValue] = {
        "rows": len(table.rows), "columns": len(table.columns), "bytes": table.size,
        "row_offsets": Constant(table.rows), "column_offsets": Constant(table.columns), "value": op.value,
    }  # fmt: skip
    return Call("rearrange", "tf_rearrange_params", fields)


def _interpolate(op: Op, tensors: Tensors) -> Call:
    """The parameters of ``tf_interpolate``."""
    assert isinstance(op, ir.Interpolate)
    _, _, in_width, channels = tensors[op.inputs[0]].shape
    r = op.requantization

    def cells(line: ir.Line) -> Constant:
        return Constant(np.stack([line.first, line.second], axis=1).reshape(-1).astype(np.uint16))

    fields: dict[str, FieldValue] = {
        "out_height": len(op.rows.first), "out_width": len(op.columns.first), "channels": channels,
        "in_row_bytes": in_width * channels,
        "row_cells": cells(op.rows), "column_cells": cells(op.columns),
        "row_weights": Constant(op.rows.weights), "column_weights": Constant(op.columns.weights),
        "away_from_zero": int(op.away_from_zero),
        "multiplier": 0 if r is None else int(r.multipliers[0]), "in_zero_point": op.input_zero_point,
        "zero_point": 0 if r is None else r.zero_point, "low": -128 if r is None else r.low,
        "high": 127 if r is None else r.high,
    }  # fmt: skip
    return Call("interpolate", "tf_interpolate_params", fields)


KERNELS: tuple[Kernel, ...] = (
    Kernel("rearrange", (ir.Rearrange,), one_call("rearrange", _rearrange)),
    Kernel("interpolate", (ir.Interpolate,), one_call("interpolate", _interpolate)),
)
"""Exactly one for each of these operator types, for any shape."""
