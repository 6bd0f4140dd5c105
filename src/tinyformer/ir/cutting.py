# SPDX-License-Identifier: Apache-2.0
"""Model files that end earlier: at a feature map before the post-processing, for one."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx
import onnx.shape_inference
import tflite
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import helper

from tinyformer.errors import TinyFormerError
from tinyformer.ir.tflite_import.network_builder import unique_names
from tinyformer.ir.tflite_import.reading import read

_OUTPUTS_FIELD = 8
"""Of a SubGraph in the table of its fields (the schema of .tflite)."""


def cut_model(path: Path, outputs: Sequence[str], directory: Path) -> Path:
    """A copy of the model file ``path`` in ``directory`` whose outputs are the tensors ``outputs``, in this order.

    What they do not need is left out, so that it need not be understood. A tensor of an ONNX model that is quantized
    right behind its node is cut behind its quantizer.

    Raises:
        TinyFormerError: there is no such tensor, or a .tflite file has fewer outputs than are asked for.
    """
    target = directory / path.name
    if path.suffix.lower() == ".tflite":
        target.write_bytes(_cut_tflite(path, outputs))
        return target
    try:
        model = onnx.load(path)
    except (DecodeError, OSError):
        return path  # the importer says what is wrong with it
    _cut_onnx(model, outputs, path)
    onnx.save(model, target)
    return target


def _cut_onnx(model: onnx.ModelProto, outputs: Sequence[str], path: Path) -> None:
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output if name}
    _check(outputs, makers, path)
    ends = [_behind_quantizer(graph, name) for name in outputs]
    needed: set[int] = set()
    pending = list(ends)
    while pending:
        node = makers.get(pending.pop())
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            pending += node.input
    kept = [node for node in graph.node if id(node) in needed]
    inferred = onnx.shape_inference.infer_shapes(model).graph
    known = {value.name: value for value in (*inferred.value_info, *inferred.output)}
    real = onnx.TensorProto.FLOAT
    values = [known.get(name) or helper.make_tensor_value_info(name, real, None) for name in ends]
    del graph.node[:], graph.output[:]
    graph.node.extend(kept)
    graph.output.extend(values)


def _behind_quantizer(graph: onnx.GraphProto, name: str) -> str:
    """The dequantized form of ``name`` where its only reader quantizes it, else ``name``."""
    for operator in ("QuantizeLinear", "DequantizeLinear"):
        readers = [node for node in graph.node if name in node.input]
        if len(readers) != 1 or readers[0].op_type != operator:
            return name
        name = readers[0].output[0]
    return name


def _cut_tflite(path: Path, outputs: Sequence[str]) -> bytes:
    model = read(path, None)
    names = unique_names(model.tensors)
    _check(outputs, names, path)
    if len(outputs) > len(model.outputs):
        raise TinyFormerError(
            f"{path} has {len(model.outputs)} outputs and cannot end at {len(outputs)} tensors: name fewer."
        )
    content = bytearray(path.read_bytes())
    table = tflite.Model.GetRootAsModel(content, 0).Subgraphs(0)._tab
    begin = table.Vector(table.Offset(_OUTPUTS_FIELD))
    struct.pack_into(f"<{1 + len(outputs)}i", content, begin - 4, len(outputs), *map(names.index, outputs))
    return bytes(content)


def _check(outputs: Sequence[str], known: Iterable[str], path: Path) -> None:
    existing = list(known)
    for name in outputs:
        if name not in existing:
            raise TinyFormerError(
                f"{path} has no tensor '{name}' to end at; the last that it makes are {', '.join(existing[-8:])}."
            )
