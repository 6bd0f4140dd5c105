# SPDX-License-Identifier: Apache-2.0
"""Dilated convolutions as TensorFlow converts them: SPACE_TO_BATCH_ND, a convolution, BATCH_TO_SPACE_ND.

Every so many cells become a batch of their own, which an undilated convolution goes through. The three are one
convolution with that dilation and explicit padding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tinyformer.ir.tflite_import.reading import TfliteModel, TfliteOperator

_CONVOLUTIONS = {"CONV_2D", "DEPTHWISE_CONV_2D"}
_STEPS = ("StrideH", "StrideW", "DilationHFactor", "DilationWFactor")
_VALID = 1


@dataclass(frozen=True)
class Dilated:
    """What replaces the padding and dilation of a convolution: (rows, columns) each."""

    dilations: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]


def without_batches(model: TfliteModel) -> list[TfliteOperator]:
    """The operators of ``model``, each triple that is a dilated convolution replaced by the convolution."""
    producers = {output: operator for operator in model.operators for output in operator.outputs}
    readers: dict[int, int] = {}
    for index in [*(i for operator in model.operators for i in operator.inputs), *model.outputs]:
        readers[index] = readers.get(index, 0) + 1
    result, dropped = [], set()
    for last in model.operators:
        convolution = producers.get(last.inputs[0]) if last.kind == "BATCH_TO_SPACE_ND" else None
        first = producers.get(convolution.inputs[0]) if convolution and convolution.kind in _CONVOLUTIONS else None
        if convolution is None or first is None or first.kind != "SPACE_TO_BATCH_ND":
            result.append(last)
            continue
        inner = [first.outputs[0], convolution.outputs[0]]
        found = _dilated(model, first, convolution, last) if all(readers[i] == 1 for i in inner) else None
        if found is None:
            result.append(last)
            continue
        dropped |= {first.outputs, convolution.outputs}
        inputs = (first.inputs[0], *convolution.inputs[1:])
        result.append(replace(convolution, inputs=inputs, outputs=last.outputs, dilated=found))
    return [operator for operator in result if operator.outputs not in dropped]


def _dilated(
    model: TfliteModel, first: TfliteOperator, convolution: TfliteOperator, last: TfliteOperator
) -> Dilated | None:
    """The dilation and padding of the three together; None if they are no single convolution."""
    values = [model.tensors[i].value for i in (*first.inputs[1:3], *last.inputs[1:3])]
    if any(value is None for value in values):
        return None
    block, paddings, again, crops = (np.asarray(value).astype(int) for value in values)
    plain = all(
        convolution.option(name, 1) == 1 for name in ("StrideH", "StrideW", "DilationHFactor", "DilationWFactor")
    )
    if not np.array_equal(block, again) or not plain or convolution.option("Padding", 0) != _VALID or crops[:, 0].any():
        return None
    x, y = model.tensors[first.inputs[0]].shape, model.tensors[last.outputs[0]].shape
    kernel = model.tensors[convolution.inputs[1]].shape[1:3]
    steps, before = [1, 1], [0, 0]
    if len(x) != 4 or len(block) > 2:
        return None
    for i, axis in enumerate(range(len(block))):
        steps[axis], before[axis] = int(block[i]), int(paddings[i, 0])
    after = [y[1 + i] - x[1 + i] - before[i] + steps[i] * (kernel[i] - 1) for i in range(2)]
    if min(after) < 0:
        return None
    return Dilated((steps[0], steps[1]), (before[0], before[1]), (after[0], after[1]))
