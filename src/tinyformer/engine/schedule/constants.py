# SPDX-License-Identifier: Apache-2.0
"""Tensors that stay in flash, and outputs that need bytes of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tinyformer.ir.graph import Constant, Graph, Int8Array, Op, Reshape, Slice


@dataclass(frozen=True)
class Source:
    """A graph to be scheduled, and its tensors that stay in flash."""

    graph: Graph
    constants: Mapping[str, Int8Array]

    @staticmethod
    def of(graph: Graph) -> Source:
        """``graph`` with the constants found in it."""
        return Source(graph, constant_tensors(graph))


def constant_tensors(graph: Graph) -> dict[str, Int8Array]:
    """Tensors that are the same for every input and stay in flash: constants, their reshapes and slices."""
    values: dict[str, Int8Array] = {}
    for op in graph.ops:
        if isinstance(op, Constant):
            values[op.output] = op.value
        elif isinstance(op, Reshape) and op.inputs[0] in values:
            values[op.output] = values[op.inputs[0]].reshape(graph.tensors[op.output].shape)
        elif isinstance(op, Slice) and op.inputs[0] in values:
            values[op.output] = values[op.inputs[0]].take(range(op.begin, op.end), op.axis)
    return values


def separate_outputs(graph: Graph) -> Graph:
    """``graph`` with a copy before each output that is but another shape of the input, a constant or another output.

    The copy is a slice that takes everything, of the shape that its source has.
    """
    source = {name: name for name in (graph.input, *constant_tensors(graph))}
    taken = set(source)
    tensors = dict(graph.tensors)
    ops: list[Op] = []
    for op in graph.ops:
        source.setdefault(op.output, source[op.inputs[0]] if isinstance(op, Reshape) else op.output)
        if op.output not in graph.outputs:
            ops.append(op)
        elif source[op.output] not in taken:
            taken.add(source[op.output])
            ops.append(op)
        else:
            shared = f"{op.output}.shared"
            tensors[shared] = replace(tensors[op.output], name=shared)
            ops.append(replace(op, output=shared))
            ops.append(Slice(f"{op.name}.copy", (shared,), op.output, axis=0, begin=0, end=tensors[shared].shape[0]))
            source[op.output] = op.output
    return replace(graph, tensors=tensors, ops=ops)
