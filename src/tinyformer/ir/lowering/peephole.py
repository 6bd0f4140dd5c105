# SPDX-License-Identifier: Apache-2.0
"""Simplifications of the finished graph that change no bit: tables of tables, split layers, dead operators, order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tinyformer.ir import graph as ir
from tinyformer.ir.lowering.splitting import split_layers


def simplify(graph: ir.Graph) -> ir.Graph:
    """Compose tables that follow each other, split layers that are cut anyway, drop what no output depends on."""
    _drop_dead(graph)
    _compose_tables(graph)
    split_layers(graph)
    _drop_dead(graph)
    _hoist_reshapes(graph)
    return graph


def _compose_tables(graph: ir.Graph) -> None:
    readers: dict[str, int] = {}
    for op in graph.ops:
        for name in op.inputs:
            readers[name] = readers.get(name, 0) + 1
    producers = {op.output: op for op in graph.ops}
    for i, op in enumerate(graph.ops):
        if not isinstance(op, ir.Lut):
            continue
        before = producers.get(op.inputs[0])
        alone = readers[op.inputs[0]] == 1 and op.inputs[0] not in graph.outputs
        if isinstance(before, ir.Lut) and alone:
            table = op.table[before.table.astype(int) + 128]
            graph.ops[i] = producers[op.output] = replace(op, inputs=before.inputs, table=table)


def _hoist_reshapes(graph: ir.Graph) -> None:
    """Put every Reshape right behind the operator whose output it renames."""
    followers: dict[str, list[ir.Op]] = {}
    for op in graph.ops:
        if isinstance(op, ir.Reshape):
            followers.setdefault(op.inputs[0], []).append(op)

    def with_followers(tensor: str) -> Iterator[ir.Op]:
        for op in followers.get(tensor, []):
            yield op
            yield from with_followers(op.output)

    ordered = list(with_followers(graph.input))
    for op in graph.ops:
        if not isinstance(op, ir.Reshape):
            ordered += [op, *with_followers(op.output)]
    graph.ops = ordered


def _drop_dead(graph: ir.Graph) -> None:
    needed = set(graph.outputs)
    for op in reversed(graph.ops):
        if op.output in needed:
            needed.update(op.inputs)
    graph.ops = [op for op in graph.ops if op.output in needed]
    used = needed | {graph.input}
    graph.tensors = {name: tensor for name, tensor in graph.tensors.items() if name in used}
