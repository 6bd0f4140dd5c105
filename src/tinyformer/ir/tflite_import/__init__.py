# SPDX-License-Identifier: Apache-2.0
"""INT8 TensorFlow Lite models to the integer graph.

Cut into reading (:mod:`.reading`: flatbuffer to plain data), translation (:mod:`.translation`: by the table in
:mod:`.operators` and with the :mod:`.network_builder`, to the operators of :mod:`tinyformer.ir.lowering`), and the
lowering shared with ONNX.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tinyformer.ir.graph import Graph
from tinyformer.ir.lowering import lower
from tinyformer.ir.lowering.problems import inconsistencies
from tinyformer.ir.tflite_import.reading import read
from tinyformer.ir.tflite_import.translation import translate

__all__ = ["import_tflite"]


def import_tflite(
    source: str | Path | bytes,
    name: str | None = None,
    *,
    calibrated: Mapping[str, tuple[float, float]] | None = None,
) -> Graph:
    """The integer graph of a fully quantized INT8 .tflite model; images enter as (1, H, W, C).

    ``source`` is a path or the content of a file; ``name`` is the graph's name, by default the file's stem;
    ``calibrated`` has the smallest and largest values of tensors that the model leaves in float. Raises
    :class:`~tinyformer.errors.TinyFormerError` for damaged files, models that are not fully quantized, and, all at
    once, for the operators that cannot be compiled.
    """
    model = read(source, name)
    with inconsistencies(f"model {model.name!r}"):
        network = translate(model)
    graph = lower(network, calibrated)
    own = {name: tuple(range(len(graph.tensors[name].shape))) for name in graph.axes}  # channels are last there, too
    return replace(graph, sha256=model.sha256, axes=own)
