# SPDX-License-Identifier: Apache-2.0
"""Patch-based execution: part of a graph computed a few rows at a time, so that its inner tensors are never whole.

A *segment* is a run of operators whose inner tensors nobody else reads. Its output is cut into *patches* of rows; each
patch is computed from the rows of the segment's inputs that it depends on. Rows that neighbouring patches share (the
halo of a convolution) are computed again. The first stage of a convolutional network is such a segment, and so are
attention (a patch of queries against all keys) and the hidden layer of a transformer's MLP. The result is an ordinary
graph: slices and the final concatenation are views, which cost neither memory nor time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.planner import MemoryPlan, PlannedStep
from tinyformer.engine.schedule.row_ranges import (
    Rows,
    in_one_piece,
    input_rows,
    restricted,
    row_axis,
    row_count,
    with_rows,
)
from tinyformer.engine.schedule.steps import join_offsets, macs, plan_of, view_offset
from tinyformer.ir.graph import Concat, Elementwise, Graph, Op, Reshape, Rowwise, Slice, Tensor

MARK = "#"
"""Separates the name of an operator or tensor from the number of its patch."""

_PATCHES = (2, 3, 4, 6, 8, 12, 16, 24, 32)
_LONGEST = 14
"""Operators of a segment on either side of the step that needs most memory."""
_ROUNDS = 6
"""Segments that may be cut into patches, one after the other."""


@dataclass(frozen=True)
class Segment:
    """Operators ``first`` to ``last`` of a graph, both included, in ``patches`` patches."""

    first: int
    last: int
    patches: int


def origin(name: str) -> str:
    """Name of the operator that a patch is part of."""
    return name.split(MARK, maxsplit=1)[0]


def fit_by_patches(source: Source, budget: int) -> Source:
    """``source`` with as many segments in patches as are needed for an arena of ``budget`` bytes, scratch apart.

    In every round the segment around the step that needs most memory is cut that meets the budget with the fewest
    repeated multiply-accumulates, or comes closest to it. Returns the best that was found, be it too large.
    """
    for _ in range(_ROUNDS):
        plan = arena_without_scratch(source)
        if plan.arena_bytes <= budget:
            break
        best: tuple[tuple[int, int, int], Source] | None = None
        work = _work(source.graph)
        for first, last in _segments(source.graph, _peak(source, plan)):
            for arena, patched in _ever_narrower(source.graph, first, last, plan.arena_bytes, budget):
                extra = _work(patched.graph) - work
                # Within the budget the work counts, beyond it the memory.
                rank = (0, extra, arena) if arena <= budget else (1, arena, extra)
                if best is None or rank < best[0]:
                    best = rank, patched
        if best is None:
            break
        source = best[1]
    return source


def _work(graph: Graph) -> int:
    """Multiply-accumulates of ``graph``."""
    return sum(macs(op, graph.tensors) for op in graph.ops)


def in_patches(graph: Graph, segment: Segment) -> Graph | None:
    """``graph`` with ``segment`` computed in patches; None where its operators do not work by rows."""
    ops = graph.ops[segment.first : segment.last + 1]
    if not _is_closed(graph, segment):
        return None
    whole = graph.tensors[ops[-1].output]
    total = row_count(whole.shape)
    if segment.patches > total or not in_one_piece(whole.shape):
        return None
    patches = _Patches(graph)
    bounds = [total * i // segment.patches for i in range(segment.patches + 1)]
    names = []
    for number, (begin, end) in enumerate(pairwise(bounds)):
        name = patches.compute(ops, Rows(begin, end), number)
        if name is None:
            return None
        names.append(name)
    join = Concat(f"{ops[-1].name}{MARK}join", tuple(names), whole.name, axis=row_axis(whole.shape))
    new = [*graph.ops[: segment.first], *patches.ops, join, *graph.ops[segment.last + 1 :]]
    return replace(graph, tensors={**graph.tensors, **patches.tensors}, ops=new)


class _Patches:
    """Operators and tensors of the patches."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ops: list[Op] = []
        self.tensors: dict[str, Tensor] = {}

    def compute(self, ops: Sequence[Op], rows: Rows, number: int) -> str | None:
        """Append the operators that make ``rows`` of the last one's output; returns the name of that tensor."""
        needed = self._needed(ops, rows)
        if needed is None:
            return None
        inner = {op.output for op in ops}
        available: dict[str, tuple[str, Rows]] = {}
        for op in ops:
            made = needed[op.output]
            wanted = input_rows(op, made, self.graph.tensors)
            assert wanted is not None
            inputs = []
            for name, part in zip(op.inputs, wanted, strict=True):
                if part is None:
                    inputs.append(name)
                    continue
                held = available[name] if name in inner else (name, Rows(0, row_count(self.graph.tensors[name].shape)))
                inputs.append(self._rows_of(name, held, part, f"{op.name}{MARK}{number}"))
            output = self._tensor(f"{op.output}{MARK}{number}", op.output, made)
            part_op = restricted(op, made, self.graph.tensors)
            self.ops.append(replace(part_op, name=f"{op.name}{MARK}{number}", inputs=tuple(inputs), output=output))
            available[op.output] = (output, made)
        return available[ops[-1].output][0]

    def _needed(self, ops: Sequence[Op], rows: Rows) -> dict[str, Rows] | None:
        """Rows of each inner tensor that ``rows`` of the last output depend on."""
        needed = {ops[-1].output: rows}
        for op in reversed(ops):
            wanted = input_rows(op, needed[op.output], self.graph.tensors) if op.output in needed else None
            if wanted is None:
                return None
            for name, part in zip(op.inputs, wanted, strict=True):
                if part is not None:
                    needed[name] = part.union(needed.get(name))
                elif any(name == other.output for other in ops):
                    return None
        return needed

    def _rows_of(self, name: str, held: tuple[str, Rows], part: Rows, user: str) -> str:
        """The tensor that holds rows ``part`` of ``name``: the one that is there, or a slice of it."""
        source, rows = held
        if part == rows:
            return source
        output = self._tensor(f"{name}{MARK}{part.begin}-{part.end} for {user}", name, part)
        shape = self.graph.tensors[name].shape
        begin, end = part.begin - rows.begin, part.end - rows.begin
        self.ops.append(Slice(f"{user} rows of {name}", (source,), output, row_axis(shape), begin, end))
        return output

    def _tensor(self, name: str, like: str, rows: Rows) -> str:
        tensor = self.graph.tensors[like]
        self.tensors[name] = replace(tensor, name=name, shape=with_rows(tensor.shape, rows.count))
        return name


def _is_closed(graph: Graph, segment: Segment) -> bool:
    """Whether nobody outside reads the inner tensors."""
    inner = {op.output for op in graph.ops[segment.first : segment.last]}
    outside = [*graph.ops[: segment.first], *graph.ops[segment.last + 1 :]]
    return inner.isdisjoint(graph.outputs) and all(inner.isdisjoint(op.inputs) for op in outside)


def _segments(graph: Graph, peak: int) -> Iterator[tuple[int, int]]:
    """First and last operator of the segments around the operator number ``peak``."""
    for first in range(max(peak - _LONGEST, 0), peak + 1):
        for last in range(peak, min(peak + _LONGEST, len(graph.ops) - 1) + 1):
            if MARK not in graph.ops[first].name and MARK not in graph.ops[last].name:
                yield first, last


def _ever_narrower(graph: Graph, first: int, last: int, arena: int, budget: int) -> Iterator[tuple[int, Source]]:
    """Arena and graph in more and more patches, while that gains memory and until it meets the budget."""
    for patches in _PATCHES:
        patched = in_patches(graph, Segment(first, last, patches))
        if patched is None:
            return
        source = Source.of(patched)
        before, arena = arena, arena_without_scratch(source).arena_bytes
        if arena >= before:
            return
        yield arena, source
        if arena <= budget:
            return


def _peak(source: Source, plan: MemoryPlan) -> int:
    """Number of the operator during which most bytes are alive."""
    steps = [i for i, op in enumerate(source.graph.ops) if op.output not in source.constants]
    alive = [
        sum(item.size for item in plan.placements if item.first <= step <= item.last) for step in range(len(steps))
    ]
    return steps[max(range(len(steps)), key=lambda step: alive[step])]


def arena_without_scratch(source: Source) -> MemoryPlan:
    """The plan of ``source`` without its kernels' scratch: what patches can change."""
    graph, constants = source.graph, source.constants
    steps = []
    for op in graph.ops:
        if op.output in constants:
            continue
        variable = [position for position, name in enumerate(op.inputs) if name not in constants]
        joins = join_offsets(op, graph.tensors)
        in_place = range(len(variable)) if isinstance(op, Elementwise | Rowwise) else ()
        view = (0 if isinstance(op, Reshape) else view_offset(op, graph.tensors)) if variable else None
        steps.append(
            PlannedStep(
                name=op.name,
                inputs=tuple(op.inputs[position] for position in variable),
                output=op.output,
                in_place=tuple(in_place),
                view=view,
                joins=tuple(joins[position] for position in variable) if joins else (),
            )
        )
    return plan_of(graph, steps)
