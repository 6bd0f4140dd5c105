# SPDX-License-Identifier: Apache-2.0
"""Selection of the kernel and the weight encoding that run each operator.

The memory planner then places the tensors; what comes out is a :class:`~.steps.Schedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.packing import Implementation, implementations
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.steps import Schedule, Step, macs, scheduled, zero_fraction
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Op, Tensor

_SCRATCH_WITHOUT_DTCM = 16 * 1024
_SMALLEST_SCRATCH = 1024

Choose = Callable[[Op, Source, Sequence[Implementation]], Implementation]
"""Picks one of the admissible implementations of an operator of a graph; they come best first."""


def scratch_limit(mcu: McuConfig, config: EngineConfig) -> int:
    """Bytes of scratch that a kernel may take: the tightly coupled memory that the stack leaves, if there is any."""
    tightly_coupled = [region.bytes for region in mcu.memories.values() if region.kind == "dtcm"]
    return max(tightly_coupled[0] - config.stack_bytes, 0) if tightly_coupled else _SCRATCH_WITHOUT_DTCM


def scratch_limits(mcu: McuConfig, config: EngineConfig) -> Iterator[int]:
    """What kernels are offered as scratch, by turns: all of :func:`scratch_limit`, then half as much, and so on."""
    limit = scratch_limit(mcu, config)
    yield limit
    while limit > _SMALLEST_SCRATCH:
        limit //= 2
        yield limit


def lower_graph(
    source: Source, mcu: McuConfig, config: EngineConfig, budget: Budget, choose: Choose | None = None
) -> Schedule:
    """Schedule of ``source``, within the SRAM budget if any scratch size allows it.

    Kernels are first offered all the fast memory there is for scratch; as long as the plan exceeds the budget they are
    offered half as much. The plan that is returned may still be too large: the caller checks.

    Raises:
        TinyFormerError: no kernel runs some operators; all of them are listed.
    """
    room = budget.sram_bytes - config.stack_bytes
    known: dict[str, Implementation] = {}
    for limit in scratch_limits(mcu, config):
        steps = select(source, config, limit, choose, known)
        known = {step.op.name: step.implementation for step in steps}
        found = scheduled(source, steps)
        if found.plan.arena_bytes <= room or not found.plan.scratch:
            break
    return found


def select(
    source: Source,
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
    tensors = source.graph.tensors
    for op in source.graph.ops:
        if op.output in source.constants:
            continue
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
