# SPDX-License-Identifier: Apache-2.0
"""The steps of a schedule: each operator with the kernel that runs it, and where its tensors lie."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tinyformer.engine.packing import Call, Implementation
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.planner import MemoryPlan, PlannedStep, plan_memory
from tinyformer.ir.graph import (
    BatchMatMul,
    Concat,
    Conv2D,
    DepthwiseConv2D,
    Graph,
    Int8Array,
    Linear,
    Op,
    Slice,
    Tensor,
)


@dataclass(frozen=True)
class Step:
    """One operator of the graph and how it is run."""

    op: Op
    implementation: Implementation
    macs: int
    """Multiply-accumulates when dense; 0 for operators without products."""

    zero_fraction: float
    """Fraction of the weights that are zero; 0 where there are none."""

    calls: tuple[Call, ...]
    """The kernel calls that are left once the memory is planned: none for a view or where all parts are in place."""

    def planned(self, tensors: Mapping[str, Tensor], constants: Container[str]) -> PlannedStep:
        """The step as the memory planner sees it: without the inputs that are ``constants`` in flash."""
        choice = self.implementation
        variable = self.variable_inputs(constants)
        joins = join_offsets(self.op, tensors)
        return PlannedStep(
            name=self.op.name,
            inputs=tuple(self.op.inputs[position] for position in variable),
            output=self.op.output,
            scratch=choice.scratch_bytes,
            in_place=tuple(variable.index(position) for position in choice.in_place if position in variable),
            view=(0 if choice.alias else view_offset(self.op, tensors)) if variable else None,
            joins=tuple(joins[position] for position in variable) if joins else (),
        )

    def variable_inputs(self, constants: Container[str]) -> list[int]:
        """Positions of the inputs that lie in the arena."""
        return [position for position, name in enumerate(self.op.inputs) if name not in constants]

    def scheduled(self, graph: Graph, plan: MemoryPlan, constants: Container[str]) -> Step:
        """This step with the calls that ``plan`` leaves to do."""
        planned = self.planned(graph.tensors, constants)
        if planned.view is not None:
            source = plan.tensors[planned.inputs[0]] + planned.view
            return self if plan.tensors[planned.output] != source else replace(self, calls=())
        variable = self.variable_inputs(constants)
        done = {(variable[position],) for position in plan.joined.get(self.op.name, ())}
        return replace(self, calls=tuple(call for call in self.calls if call.inputs not in done))


@dataclass(frozen=True)
class Schedule:
    """A graph with a kernel for every operator and a place for every tensor: all that the C sources say."""

    graph: Graph
    constants: Mapping[str, Int8Array]
    """Tensors that stay in flash, by name."""

    steps: tuple[Step, ...]
    plan: MemoryPlan

    @property
    def layers(self) -> list[Step]:
        """The steps with something to do, each a layer of the generated code."""
        return [step for step in self.steps if step.calls]

    @property
    def used_constants(self) -> dict[str, Int8Array]:
        """The constant tensors that kernels read where they are, in flash."""
        used = {step.op.inputs[position] for step in self.steps for call in step.calls for position in call.inputs}
        return {name: value for name, value in self.constants.items() if name in used}


def scheduled(source: Source, steps: Sequence[Step]) -> Schedule:
    """``steps`` with the memory planned, and the calls that this leaves to do."""
    tensors, constants = source.graph.tensors, source.constants
    plan = plan_of(source.graph, [step.planned(tensors, constants) for step in steps])
    done = tuple(step.scheduled(source.graph, plan, constants) for step in steps)
    return Schedule(source.graph, constants, done, plan)


def plan_of(graph: Graph, steps: Sequence[PlannedStep]) -> MemoryPlan:
    """The arena of ``graph`` run by ``steps``."""
    sizes = {name: math.prod(tensor.shape) for name, tensor in graph.tensors.items()}
    return plan_memory(steps, sizes, graph.input, graph.outputs)


def view_offset(op: Op, tensors: Mapping[str, Tensor]) -> int | None:
    """Offset at which a slice that is one piece of its input begins in it; None for other operators."""
    if not isinstance(op, Slice):
        return None
    shape = tensors[op.inputs[0]].shape
    return op.begin * math.prod(shape[op.axis + 1 :]) if math.prod(shape[: op.axis]) == 1 else None


def join_offsets(op: Op, tensors: Mapping[str, Tensor]) -> list[int] | None:
    """Offsets of the inputs of a concatenation in its output, if each of them is one piece of it."""
    if not isinstance(op, Concat) or math.prod(tensors[op.output].shape[: op.axis]) != 1:
        return None
    return list(itertools.accumulate((tensors[name].size for name in op.inputs[:-1]), initial=0))


def macs(op: Op, tensors: Mapping[str, Tensor]) -> int:
    """Multiply-accumulates of ``op`` when all weights are kept (padding counted in)."""
    output = tensors[op.output].size
    match op:
        case Conv2D() | Linear():
            return output * int(op.weights[0].size)
        case DepthwiseConv2D():
            return output * int(op.weights.shape[0] * op.weights.shape[1])
        case BatchMatMul():
            return op.batch * op.m * op.k * op.n
        case _:
            return 0


def zero_fraction(op: Op) -> float:
    """Fraction of zero weights."""
    if isinstance(op, Conv2D | DepthwiseConv2D | Linear) and op.weights.size:
        return 1 - np.count_nonzero(op.weights) / op.weights.size
    return 0.0
