# SPDX-License-Identifier: Apache-2.0
"""Kernels on one element or one row at a time: sums and products of tensors, tables, softmax, LayerNorm.

Their loops over words of four elements are in assembly (``tf_words.h``).
"""

from __future__ import annotations

import numpy as np

from tinyformer.engine.packing.description import Call, Constant, FieldValue, Kernel
from tinyformer.engine.packing.layout import SOFTMAX_SPARE_WORDS
from tinyformer.engine.packing.portable import Tensors, one_call, rows_and_columns
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Op, Tensor
from tinyformer.ir.operators.elementwise import Div, PRelu
from tinyformer.ir.operators.rows import RoundedLayerNorm


def _add(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.Add)
    fields: dict[str, FieldValue] = {
        "count": tensors[op.output].size,
        "multiplier_a": op.multiplier_a, "multiplier_b": op.multiplier_b, "offset": op.offset,
        "shift": op.shift, "low": op.low, "high": op.high,
    }  # fmt: skip
    return Call("add", "tf_add_params", fields, (0, 1))


def _mul(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.Mul)
    r = op.requantization
    fields: dict[str, FieldValue] = {
        "count": tensors[op.output].size, "b_count": tensors[op.inputs[1]].size,
        "multiplier": int(r.multipliers[0]), "shift": r.shift,
        "a_zero_point": op.a_zero_point, "b_zero_point": op.b_zero_point,
        "zero_point": r.zero_point, "low": r.low, "high": r.high,
    }  # fmt: skip
    return Call("mul", "tf_mul_params", fields, (0, 1))


def _div(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, Div)
    r = op.requantization
    fields: dict[str, FieldValue] = {
        "count": tensors[op.output].size, "multipliers": Constant(op.multipliers.astype(np.int32)), "shift": r.shift,
        "a_zero_point": op.a_zero_point, "zero_point": r.zero_point, "low": r.low, "high": r.high,
    }  # fmt: skip
    return Call("div", "tf_div_params", fields, (0, 1))


def _prelu(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, PRelu)
    r = op.requantization
    fields: dict[str, FieldValue] = {
        "count": tensors[op.output].size, "channels": len(op.slopes),
        "slopes": Constant(op.slopes.astype(np.int32)), "multiplier": int(r.multipliers[0]),
        "shift": r.shift, "in_zero_point": op.input_zero_point,
        "zero_point": r.zero_point, "low": r.low, "high": r.high,
    }  # fmt: skip
    return Call("prelu", "tf_prelu_params", fields)


def _lut(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.Lut)
    return Call("lut", "tf_lut_params", {"count": tensors[op.output].size, "table": Constant(op.table.astype(np.int8))})


def _softmax(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.Softmax)
    rows, columns = rows_and_columns(tensors[op.output].shape)
    fields: dict[str, FieldValue] = {
        "rows": rows, "columns": columns, "exponentials": Constant(op.exponentials[::-1].astype(np.uint32)),
        "numerator": op.numerator, "sum_shift": op.sum_shift, "zero_point": op.zero_point,
    }  # fmt: skip
    return Call("softmax", "tf_softmax_params", fields)


def _layer_norm(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.LayerNorm)
    rows, columns = rows_and_columns(tensors[op.output].shape)
    fields: dict[str, FieldValue] = {
        "rows": rows, "columns": columns,
        "gamma": Constant(op.gamma.astype(np.int16)), "beta": Constant(op.beta.astype(np.int32)),
        "epsilon": op.epsilon, "pre_shift": op.pre_shift, "post_shift": op.post_shift,
    }  # fmt: skip
    return Call("layer_norm", "tf_layer_norm_params", fields)


def _rounded_layer_norm(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, RoundedLayerNorm)
    rows, columns = rows_and_columns(tensors[op.output].shape)
    fields: dict[str, FieldValue] = {
        "rows": rows, "columns": columns,
        "gamma": Constant(op.gamma.astype(np.int16)), "beta": Constant(op.beta.astype(np.int32)),
        "multipliers": Constant(op.multipliers.astype(np.int32)), "variance_multiplier": op.variance_multiplier,
        "variance_shift": op.variance_shift, "first_step": op.first_step,
        "pre_shift": op.pre_shift, "post_shift": op.post_shift,
    }  # fmt: skip
    return Call("rounded_layer_norm", "tf_rounded_layer_norm_params", fields)


def _masked_softmax(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.MaskedSoftmax)
    rows, columns = rows_and_columns(tensors[op.output].shape)
    fields: dict[str, FieldValue] = {
        "rows": rows, "columns": columns, "mask_rows": len(op.mask), "mask": Constant(op.mask.reshape(-1)),
        "exponentials": Constant(op.exponentials[::-1].astype(np.uint32)),
        "numerator": op.numerator, "sum_shift": op.sum_shift, "zero_point": op.zero_point,
    }  # fmt: skip
    return Call("masked_softmax", "tf_masked_softmax_params", fields)


def _extremum(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.Extremum)
    fields: dict[str, FieldValue] = {"count": tensors[op.output].size, "largest": int(op.largest)}
    return Call("extremum", "tf_extremum_params", fields, (0, 1))


def _softmax_scratch(y: Tensor) -> int:
    return 4 * (y.shape[-1] + SOFTMAX_SPARE_WORDS)


def _first(op: Op, tensors: Tensors) -> tuple[int, ...]:
    return (0,)


def _equal_inputs(op: Op, tensors: Tensors) -> tuple[int, ...]:
    size = tensors[op.output].size
    return tuple(i for i, name in enumerate(op.inputs) if tensors[name].size == size)


_CLAMP = "tf_clamp_bytes.c"

KERNELS: tuple[Kernel, ...] = (
    Kernel("add", (ir.Add,), one_call("add", _add, in_place=_equal_inputs, helpers=("tf_add_words.S", _CLAMP))),
    Kernel("mul", (ir.Mul,), one_call("mul", _mul, in_place=_equal_inputs, helpers=("tf_mul_words.S", _CLAMP))),
    Kernel("div", (Div,), one_call("div", _div, in_place=_equal_inputs)),
    Kernel("prelu", (PRelu,), one_call("prelu", _prelu, in_place=_first)),
    Kernel("lut", (ir.Lut,), one_call("lut", _lut, in_place=_first, helpers=("tf_lut_words.S",))),
    Kernel("extremum", (ir.Extremum,), one_call("extremum", _extremum, in_place=_equal_inputs)),
    Kernel(
        "masked_softmax",
        (ir.MaskedSoftmax,),
        one_call("masked_softmax", _masked_softmax, lambda y: 4 * y.shape[-1], _first),
    ),
    Kernel("softmax", (ir.Softmax,), one_call("softmax", _softmax, _softmax_scratch, _first, ("tf_softmax_words.S",))),
    Kernel(
        "layer_norm",
        (ir.LayerNorm,),
        one_call("layer_norm", _layer_norm, in_place=_first, helpers=("tf_layer_norm_words.S",)),
    ),
    Kernel(
        "rounded_layer_norm",
        (RoundedLayerNorm,),
        one_call("rounded_layer_norm", _rounded_layer_norm, in_place=_first, helpers=("tf_layer_norm_words.S",)),
    ),
)
"""Exactly one for each of these operator types, for any shape."""
