"""Which kernel and which weight encoding run each operator.

The result is a list of :class:`Step`: everything that planner, emitter and estimator need, and nothing that depends on
where buffers lie.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.normalize import constant_tensors
from tinyformer.engine.packing import Call, Implementation, implementations
from tinyformer.engine.planner import MemoryPlan, PlannedStep, plan_memory
from tinyformer.errors import TinyFormerError
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

_SCRATCH_WITHOUT_DTCM = 16 * 1024
_SMALLEST_SCRATCH = 1024

Choose = Callable[[Op, Sequence[Implementation]], Implementation]
"""Picks one of the admissible implementations of an operator, which come best first."""


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
        """What the memory planner sees of it: not the inputs that are ``constants`` in flash."""
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


def scratch_limit(mcu: McuConfig, config: EngineConfig) -> int:
    """Bytes of scratch that a kernel may take: the tightly coupled memory that the stack leaves, if there is any."""
    tightly_coupled = [region.bytes for region in mcu.memories.values() if region.kind == "dtcm"]
    return max(tightly_coupled[0] - config.stack_bytes, 0) if tightly_coupled else _SCRATCH_WITHOUT_DTCM


def sram_budget(mcu: McuConfig, config: EngineConfig) -> int:
    """Bytes that arena and stack may take together."""
    return min(mcu.sram_bytes, config.sram_bytes or mcu.sram_bytes)


def flash_budget(mcu: McuConfig, config: EngineConfig) -> int:
    """Bytes of flash that the firmware may take."""
    return min(mcu.flash_bytes, config.flash_bytes or mcu.flash_bytes)


def lower_graph(
    graph: Graph, mcu: McuConfig, config: EngineConfig, choose: Choose | None = None
) -> tuple[list[Step], MemoryPlan]:
    """Steps of ``graph`` and their memory plan, within the SRAM budget if any scratch size allows it.

    Kernels are first offered all the fast memory there is for scratch; as long as the plan exceeds the budget they are
    offered half as much. The plan that is returned may still be too large: the caller checks.

    Raises:
        TinyFormerError: no kernel runs some operators; all of them are listed.
    """
    limit = scratch_limit(mcu, config)
    budget = sram_budget(mcu, config) - config.stack_bytes
    known: dict[str, Implementation] = {}
    while True:
        steps = select(graph, config, limit, choose, known)
        known = {step.op.name: step.implementation for step in steps}
        plan = plan_steps(graph, steps)
        if plan.arena_bytes <= budget or limit <= _SMALLEST_SCRATCH or not plan.scratch:
            constants = constant_tensors(graph)
            return [step.scheduled(graph, plan, constants) for step in steps], plan
        limit //= 2


def select(
    graph: Graph,
    config: EngineConfig,
    limit: int,
    choose: Choose | None = None,
    known: Mapping[str, Implementation] | None = None,
) -> list[Step]:
    """One step an operator, with at most ``limit`` bytes of scratch each where the kernel has the choice.

    ``known`` are choices made for a larger limit, by operator: those that keep to the smaller one stand.

    Raises:
        TinyFormerError: no kernel runs some operators; all of them are listed.
    """
    steps: list[Step] = []
    missing: list[str] = []
    constants = constant_tensors(graph)
    for op in graph.ops:
        if op.output in constants:
            continue
        choice = (known or {}).get(op.name)
        if choice is None or choice.scratch_bytes > limit:
            try:
                candidates = admissible(op, graph.tensors, config, limit)
            except NotImplementedError:
                shapes = " x ".join(str(graph.tensors[name].shape) for name in op.inputs)
                missing.append(f"{op.name} ({type(op).__name__}, input {shapes})")
                continue
            choice = candidates[0] if choose is None or len(candidates) == 1 else choose(op, candidates)
        steps.append(Step(op, choice, macs(op, graph.tensors), zero_fraction(op), choice.calls))
    if missing:
        raise TinyFormerError(f"No kernel runs these operators: {'; '.join(missing)}. Replace them in the model.")
    return steps


def admissible(op: Op, tensors: Mapping[str, Tensor], config: EngineConfig, limit: int) -> Sequence[Implementation]:
    """The implementations of ``op`` that the configuration allows, best first."""
    candidates = implementations(op, tensors, limit)
    if config.encoding == "dense":
        return [item for item in candidates if not item.encoding.startswith("sparse")]
    return candidates


def plan_steps(graph: Graph, steps: Sequence[Step]) -> MemoryPlan:
    """The arena of ``steps``."""
    constants = constant_tensors(graph)
    return plan_of(graph, [step.planned(graph.tensors, constants) for step in steps])


def plan_of(graph: Graph, steps: Sequence[PlannedStep]) -> MemoryPlan:
    """The arena of ``graph`` run by ``steps``."""
    sizes = {name: math.prod(tensor.shape) for name, tensor in graph.tensors.items()}
    return plan_memory(steps, sizes, graph.input, graph.outputs)


def used_constants(graph: Graph, steps: Sequence[Step]) -> dict[str, Int8Array]:
    """The constant tensors that kernels read where they are, in flash."""
    used = {step.op.inputs[position] for step in steps for call in step.calls for position in call.inputs}
    return {name: value for name, value in constant_tensors(graph).items() if name in used}


def view_offset(op: Op, tensors: Mapping[str, Tensor]) -> int | None:
    """Where a slice that is one piece of its input begins in it; None for other operators."""
    if not isinstance(op, Slice):
        return None
    shape = tensors[op.inputs[0]].shape
    return op.begin * math.prod(shape[op.axis + 1 :]) if math.prod(shape[: op.axis]) == 1 else None


def join_offsets(op: Op, tensors: Mapping[str, Tensor]) -> list[int] | None:
    """Where the inputs of a concatenation lie in its output, if each of them is one piece of it."""
    if not isinstance(op, Concat) or math.prod(tensors[op.output].shape[: op.axis]) != 1:
        return None
    return list(itertools.accumulate((tensors[name].size for name in op.inputs[:-1]), initial=0))


def macs(op: Op, tensors: Mapping[str, Tensor]) -> int:
    """Multiply-accumulates of ``op`` when all weights are kept (padding counted in)."""
    output = tensors[op.output].size
    match op:
        case Conv2D() | Linear():
            return output * op.weights[0].size
        case DepthwiseConv2D():
            return output * op.weights.shape[0] * op.weights.shape[1]
        case BatchMatMul():
            return op.batch * op.m * op.k * op.n
        case _:
            return 0


def zero_fraction(op: Op) -> float:
    """Fraction of zero weights."""
    if isinstance(op, Conv2D | DepthwiseConv2D | Linear) and op.weights.size:
        return 1 - np.count_nonzero(op.weights) / op.weights.size
    return 0.0
