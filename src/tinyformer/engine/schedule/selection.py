# SPDX-License-Identifier: Apache-2.0
"""Selection of the kernel and the weight encoding that run each operator.

The memory planner then places the tensors; what comes out is a :class:`~.steps.Schedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.packing import Implementation, implementations
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.scratch import attempts, scratch_limit
from tinyformer.engine.schedule.steps import Schedule, Step, macs, scheduled, zero_fraction
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Op, Tensor

Choose = Callable[[Op, Source, Sequence[Implementation]], Implementation]
"""Picks one of the admissible implementations of an operator of a graph; they come best first."""


def lower_graph(
    source: Source, mcu: McuConfig, config: EngineConfig, budget: Budget, choose: Choose | None = None
) -> Schedule:
    """Schedule of ``source``, within the SRAM budget if any scratch sizes allow it.

    Kernels are first offered all the fast memory there is for scratch, then those that make the plan exceed the budget
    less (:mod:`.scratch`). The plan that is returned may still be too large: the caller checks.

    Raises:
        TinyFormerError: no kernel runs some operators; all of them are listed.
    """
    known: dict[str, Implementation] = {}

    def plan_within(offers: Sequence[int]) -> Schedule:
        steps = select(source, config, offers, choose, known)
        known.update({step.op.name: step.implementation for step in steps})
        return scheduled(source, steps)

    room = budget.sram_bytes - config.stack_bytes
    made = attempts(plan_within, len(variable_ops(source)), scratch_limit(mcu, config), room)
    return made[-1]


def variable_ops(source: Source) -> list[Op]:
    """The operators whose results are not constants: each becomes a step."""
    return [op for op in source.graph.ops if op.output not in source.constants]


def select(
    source: Source,
    config: EngineConfig,
    limits: Sequence[int],
    choose: Choose | None = None,
    known: Mapping[str, Implementation] | None = None,
) -> list[Step]:
    """One step for each of :func:`variable_ops`, with at most so many bytes of scratch where the kernel has the choice.

    ``known`` are choices made for larger limits, by operator: those that keep to the smaller one stand.

    Raises:
        TinyFormerError: no kernel runs some operators; all of them are listed.
    """
    steps: list[Step] = []
    missing: list[str] = []
    tensors = source.graph.tensors
    for op, limit in zip(variable_ops(source), limits, strict=True):
        choice = (known or {}).get(op.name)
        if choice is None or choice.scratch_bytes > limit:
            try:
                candidates = admissible(op, tensors, config, limit)
            except NotImplementedError:
                shapes = " x ".join(str(tensors[name].shape) for name in op.inputs)
                missing.append(f"{op.name} ({type(op).__name__}, input {shapes})")
                continue
            choice = candidates[0] if choose is None or len(candidates) == 1 else choose(op, source, candidates)
        steps.append(Step(op, choice, macs(op, tensors), zero_fraction(op), choice.calls))
    if missing:
        raise TinyFormerError(f"No kernel runs these operators: {'; '.join(missing)}. Replace them in the model.")
    return steps


def admissible(op: Op, tensors: Mapping[str, Tensor], config: EngineConfig, limit: int) -> Sequence[Implementation]:
    """The implementations of ``op`` that the configuration allows, best first."""
    candidates = implementations(op, tensors, limit)
    if config.encoding == "dense":
        return [item for item in candidates if not item.encoding.startswith("sparse")]
    return candidates
