# SPDX-License-Identifier: Apache-2.0
"""The first axis of a model's input: a number of images, of which one is compiled, or an axis like any other."""

from __future__ import annotations

import onnx

from tinyformer.ir.lowering.table import OPERATORS
from tinyformer.ir.onnx_constants import STANDARD_DOMAINS

_COUNT_IMAGES = {
    "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace", "GlobalAveragePool", "GlobalMaxPool",
    "InstanceNormalization", "MaxPool", "SpaceToDepth",
}  # fmt: skip
"""Operators whose first axis counts images by definition."""

_QUANTIZERS = {"QuantizeLinear", "DequantizeLinear", "Cast", "Dropout"}


def counts_images(graph: onnx.GraphProto, tensor: str) -> bool:
    """Whether an operator that counts images reads ``tensor``, or what element-wise operators make of it."""
    pending, seen = [tensor], {tensor}
    while pending:
        name = pending.pop()
        for node in graph.node:
            if name not in node.input or node.domain not in STANDARD_DOMAINS:
                continue
            if node.op_type in _COUNT_IMAGES:
                return True
            elementwise = node.op_type in OPERATORS and OPERATORS[node.op_type].real is not None
            if elementwise or node.op_type in _QUANTIZERS:
                pending += [output for output in node.output if output not in seen]
                seen.update(node.output)
    return False
