# SPDX-License-Identifier: Apache-2.0
"""ONNX models with INT8 quantization in QDQ form, from any tool, to the integer graph.

Cut into reading (:mod:`.reading`: protobuf, shapes, constant folding), normalising (:mod:`.normalize`: Q/DQ pairs
become annotations) and the steps shared with other formats (:mod:`tinyformer.ir.lowering`: canonical operators, fusion,
lowering).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import onnx

from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph
from tinyformer.ir.lowering import lower
from tinyformer.ir.lowering.problems import inconsistencies
from tinyformer.ir.onnx_import.normalize import normalize
from tinyformer.ir.onnx_import.reading import read

__all__ = ["import_onnx"]


def import_onnx(
    model: str | Path | onnx.ModelProto,
    name: str | None = None,
    *,
    calibrated: Mapping[str, tuple[float, float]] | None = None,
) -> Graph:
    """The integer graph of a QDQ INT8 ONNX model; images enter as (1, H, W, C).

    ``name`` is the graph's name, by default the file's stem or the name in the model; ``calibrated`` has the smallest
    and largest values of tensors that the model leaves in float. Raises
    :class:`~tinyformer.errors.TinyFormerError` for damaged files, models that are not quantized, and, all at once, for
    the operators that cannot be compiled.
    """
    graph = read(model, name)
    with inconsistencies(f"model {graph.name!r}"):
        network = normalize(graph)
    classes = graph.metadata.classes
    lowered = replace(lower(network, calibrated), pixels=graph.metadata.pixels, classes=classes, sha256=graph.sha256)
    outputs = lowered.tensors[lowered.outputs[0]].size
    if classes and len(classes) != outputs:
        raise TinyFormerError(
            f"model {graph.name!r} names {len(classes)} classes in its metadata but has {outputs} outputs: correct or "
            "remove tinyformer.classes"
        )
    return lowered
