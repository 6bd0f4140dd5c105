# SPDX-License-Identifier: Apache-2.0
"""The schedule of a graph: kernels, patches and memory within the microcontroller's budgets."""

from __future__ import annotations

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.schedule.constants import Source, separate_outputs
from tinyformer.engine.schedule.objective import lower_for_objective
from tinyformer.engine.schedule.patches import arena_without_scratch, fit_by_patches
from tinyformer.engine.schedule.selection import Choose
from tinyformer.engine.schedule.steps import Schedule
from tinyformer.ir.graph import Graph

_PATCHING_ROUNDS = 4
"""Attempts to meet the SRAM by patches, each with a smaller target for the tensors."""


def schedule_graph(
    graph: Graph, mcu: McuConfig, config: EngineConfig, budget: Budget, choose: Choose | None = None
) -> Schedule:
    """Schedule of ``graph``, in patches where the plain plan exceeds the SRAM; the best that was found.

    Args:
        graph: the integer graph.
        mcu: decides how much fast memory kernels may use.
        config: encodings, whether patches are allowed.
        budget: flash and SRAM.
        choose: picks between kernels, by default the order in which packing offers them.

    Raises:
        TinyFormerError: no kernel runs some operators; all of them are listed.
    """
    source = Source.of(separate_outputs(graph))
    best = lower_for_objective(source, mcu, config, budget, choose)
    room = target = budget.sram_bytes - config.stack_bytes
    for _ in range(_PATCHING_ROUNDS if config.patching else 0):
        if best.plan.arena_bytes <= room or target <= 0:
            break
        patched = fit_by_patches(source, target)
        found = lower_for_objective(patched, mcu, config, budget, choose)
        # What the patches do not account for is the kernels' scratch.
        target -= found.plan.arena_bytes - room
        if found.plan.arena_bytes < best.plan.arena_bytes:
            best = found
        if arena_without_scratch(patched).arena_bytes > room:
            break
    return best
