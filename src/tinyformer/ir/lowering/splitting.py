# SPDX-License-Identifier: Apache-2.0
"""Layers whose output is only ever cut along its channels become one layer per piece: packed q, k, v projections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tinyformer.ir import graph as ir


@dataclass(frozen=True)
class _Piece:
    """A Slice and the output channels of the layer that it keeps."""

    op: ir.Slice
    begin: int
    end: int


def split_layers(graph: ir.Graph) -> None:
    """Replace layer + Slices by layers that compute only what each Slice keeps, if no channel is computed twice."""
    readers: dict[str, list[ir.Op]] = {}
    for op in graph.ops:
        for name in op.inputs:
            readers.setdefault(name, []).append(op)
    replaced: dict[str, list[ir.Op]] = {}
    for op in graph.ops:
        if isinstance(op, ir.Linear) or (isinstance(op, ir.Conv2D) and op.groups == 1):
            pieces = _pieces(graph, op, readers)
            if pieces:
                replaced[op.output] = [new for piece in pieces for new in _layer(graph, op, piece)]
                for piece in pieces:
                    replaced[piece.op.output] = []
    graph.ops = [new for op in graph.ops for new in replaced.get(op.output, [op])]


def _pieces(graph: ir.Graph, layer: ir.Linear | ir.Conv2D, readers: dict[str, list[ir.Op]]) -> list[_Piece]:
    """The Slices that read the layer's output; empty if anything else does, or if they overlap."""
    pieces = []
    for op in _real_readers(layer.output, readers):
        if not isinstance(op, ir.Slice) or layer.output in graph.outputs:
            return []
        shape = graph.tensors[op.inputs[0]].shape
        if int(np.prod(shape[op.axis :])) != len(layer.weights):
            return []
        inner = int(np.prod(shape[op.axis + 1 :]))
        pieces.append(_Piece(op, op.begin * inner, op.end * inner))
    ranges = sorted((piece.begin, piece.end) for piece in pieces)
    disjoint = all(before[1] <= after[0] for before, after in pairwise(ranges))
    return pieces if disjoint else []


def _real_readers(tensor: str, readers: dict[str, list[ir.Op]]) -> Iterator[ir.Op]:
    """Everything that reads the storage of ``tensor``, under whatever shape."""
    for op in readers.get(tensor, []):
        if isinstance(op, ir.Reshape):
            yield from _real_readers(op.output, readers)
        else:
            yield op


def _layer(graph: ir.Graph, layer: ir.Linear | ir.Conv2D, piece: _Piece) -> Iterator[ir.Op]:
    """The part of ``layer`` that makes ``piece``, and a Reshape if the Slice had another shape."""
    channels = slice(piece.begin, piece.end)
    requantization = layer.requantization
    if len(requantization.multipliers) > 1:
        requantization = replace(requantization, multipliers=requantization.multipliers[channels])
    result = graph.tensors[piece.op.output]
    shape = (*graph.tensors[layer.output].shape[:-1], piece.end - piece.begin)
    output = result.name
    if shape != result.shape:
        output = f"{result.name}.channels"
        graph.tensors[output] = ir.Tensor(output, shape, result.scale, result.zero_point)
    yield replace(
        layer,
        name=f"{layer.name}.{piece.begin}",
        output=output,
        weights=layer.weights[channels],
        bias=layer.bias[channels],
        requantization=requantization,
    )
    if output != result.name:
        yield ir.Reshape(result.name, (output,), result.name)
