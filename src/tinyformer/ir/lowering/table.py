# SPDX-License-Identifier: Apache-2.0
"""The table of operators: everything that source models may hold, by its ONNX name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyformer.ir.lowering import (
    attention,
    elementwise,
    enlarging,
    functions,
    layers,
    pooling,
    reshaping,
    slicing,
    transposed,
)
from tinyformer.ir.lowering.function import Case, Function, Scale
from tinyformer.ir.lowering.reshaping import lower_reinterpreted

REMOVED = (
    Function("Dropout", "nothing", Case(), scale=Scale.KEPT, attributes=("ratio", "seed")),
    Function(
        "Cast",
        "nothing, or Lut where it truncates to integers",
        real=lambda xp, a, x: xp.trunc(x),
        unquantized="float models compute in float32 throughout: remove it",
    ),
    Function("CastLike", "nothing", unquantized="float models compute in float32 throughout: remove it"),
    Function("QuantizeLinear", "a scale, or Lut", unquantized="the model is quantized already", tflite=("QUANTIZE",)),
    Function(
        "DequantizeLinear",
        "nothing",
        lower=lower_reinterpreted,
        unquantized="the model is quantized already",
        tflite=("DEQUANTIZE",),
    ),
)
"""What importers and the quantizer take out."""

OPERATORS: Mapping[str, Function] = {
    function.name: function
    for function in sorted(
        (
            *elementwise.FUNCTIONS,
            *functions.FUNCTIONS,
            *layers.FUNCTIONS,
            *transposed.FUNCTIONS,
            *slicing.FUNCTIONS,
            *pooling.FUNCTIONS,
            *enlarging.FUNCTIONS,
            *attention.FUNCTIONS,
            *reshaping.FUNCTIONS,
            *REMOVED,
        ),
        key=lambda function: function.name,
    )
}

KEEPS_SCALE = {name for name, function in OPERATORS.items() if function.scale is Scale.KEPT}
"""Operators whose outputs are values of their inputs."""


CLAMPS = {name for name, function in OPERATORS.items() if function.clamps} | {"Linear"}
"""Operators that end in a requantization, whose clamp is free; ``Linear`` is what Gemm and MatMul become."""


def is_elementwise(operator: str, constant_sizes: Sequence[int]) -> bool:
    """Whether an operator with constants of these sizes may be part of an island (:mod:`tinyformer.ir.islands`)."""
    function = OPERATORS.get(operator)
    return function is not None and function.real is not None and all(size == 1 for size in constant_sizes)
