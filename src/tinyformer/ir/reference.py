# SPDX-License-Identifier: Apache-2.0
"""The NumPy executor of graphs: it *defines* the right answer (docs/integer_semantics.md), operator by operator.

Tensors are int8 arrays of shape (N, *tensor.shape): the batch of images comes before the shape that the graph gives,
which begins with 1 for feature maps.
"""

from __future__ import annotations

import numpy as np

from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Int8Array

BATCH = 32
"""Images computed at a time: bounds the memory."""


def execute(graph: ir.Graph, x: Int8Array) -> Int8Array:
    """Run ``graph`` on images ``x`` (N, H, W, C); the single output as (N, ...), without the shape's leading 1.

    Raises ``ValueError`` when the graph has several outputs (use :func:`execute_all`) or ``x`` has another shape.
    """
    if len(graph.outputs) != 1:
        raise ValueError(f"{graph.name} has {len(graph.outputs)} outputs; execute_all returns every tensor")
    name = graph.outputs[0]
    shape = graph.tensors[name].shape
    batches = [_run(graph, x[i : i + BATCH], keep=frozenset([name]))[name] for i in range(0, max(len(x), 1), BATCH)]
    y = np.concatenate(batches)
    return y.reshape(len(x), *(shape[1:] if shape[:1] == (1,) else shape))


def execute_all(graph: ir.Graph, x: Int8Array) -> dict[str, Int8Array]:
    """Run ``graph`` on ``x`` (N, H, W, C) and return every tensor, by name, as (N, *tensor.shape)."""
    return _run(graph, x, keep=frozenset(graph.tensors))


def execute_op(op: ir.Op, inputs: list[Int8Array], output: ir.Tensor) -> Int8Array:
    """Run one operator on ``inputs`` of shape (N, *shape); returns (N, *output.shape)."""
    return op.execute(inputs, output).reshape(-1, *output.shape)


def _run(graph: ir.Graph, x: Int8Array, keep: frozenset[str]) -> dict[str, Int8Array]:
    shape = graph.tensors[graph.input].shape
    if x.dtype != np.int8 or x.shape[1:] not in (shape, shape[1:]):
        raise ValueError(
            f"{graph.name} takes int8 images of shape (N, {', '.join(map(str, shape[1:]))}), not {x.shape}"
        )
    values = {graph.input: x.reshape(len(x), *shape)}
    last_use = {name: i for i, op in enumerate(graph.ops) for name in op.inputs}
    for i, op in enumerate(graph.ops):
        output = graph.tensors[op.output]
        y = execute_op(op, [values[name] for name in op.inputs], output)
        values[op.output] = np.broadcast_to(y, (len(x), *output.shape))  # a constant is the same for every image
        for name in set(op.inputs):
            if last_use[name] == i and name not in keep:
                del values[name]
    return {name: values[name] for name in values if name in keep}
