# SPDX-License-Identifier: Apache-2.0
"""Flash, SRAM and latency of a sub-network with any block sparsity, without training or compiling it.

Sizes come from the compiler's own packing and planner, cycles from a :class:`CostTable`. What is known of an operator
depends on its shape and sparsity alone, so that each distinct one is looked at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.costs.features import Features, features, kernel_key, measured_features
from tinyformer.engine.costs.sparse_sizes import sparse_sizes
from tinyformer.engine.costs.table import CostTable
from tinyformer.engine.packing import KERNELS, Implementation, sparse
from tinyformer.engine.packing.portable import linear_as_convolution
from tinyformer.engine.packing.row_pairs import TILE_PIXELS
from tinyformer.engine.schedule.planner import MemoryPlan, PlannedStep, plan_memory
from tinyformer.engine.schedule.scratch import attempts, scratch_limit
from tinyformer.engine.schedule.steps import Step
from tinyformer.ir import graph as ir
from tinyformer.nets.lowering import lower
from tinyformer.nets.plan_counts import total_blocks, zero_blocks
from tinyformer.nets.spec import LayerSparsity, SparsityPlan, SubnetSpec


@dataclass(frozen=True)
class Cost:
    """Flash, SRAM and time that one sub-network takes on the microcontroller."""

    flash_bytes: int
    """The whole firmware: code, weights, tables."""
    sram_bytes: int
    """Arena and the stack reserved beside it, as the compiler checks them against the limits."""
    cycles: int
    latency_ms: float


@dataclass(frozen=True)
class _Sketch:
    """All that is known of an operator without its weights."""

    step: PlannedStep
    """With the names of the first operator of its kind."""
    flash_bytes: float
    """Constants, parameters and the code that calls the kernel."""
    sources: tuple[str, ...]
    cycles: float


@dataclass(frozen=True)
class _Sketched:
    """A graph's operators and the arena they need."""

    sketches: Sequence[_Sketch]
    plan: MemoryPlan


class Estimator:
    """Estimates of costs on ``mcu`` for a compiler configured by ``config``."""

    def __init__(self, mcu: McuConfig, config: EngineConfig, table: CostTable, budget: Budget | None = None) -> None:
        """``budget`` is what the compiler will keep; all that ``mcu`` has if not given."""
        self._budget = budget or Budget.of(LimitsConfig(), mcu)
        self._mcu = mcu
        self._config = config
        self._table = table
        self._sketches: dict[tuple[object, ...], _Sketch] = {}

    def estimate(self, spec: SubnetSpec, plan: SparsityPlan) -> Cost:
        """Cost of ``spec`` with its layers as sparse as ``plan`` says; milliseconds a call once shapes are known."""
        graph = lower(spec)
        sketches, arena = self._planned(graph, plan)
        sources = {source for sketch in sketches for source in sketch.sources}
        flash = self._table.firmware_bytes(sources) + sum(sketch.flash_bytes for sketch in sketches)
        cycles = round(sum(sketch.cycles for sketch in sketches))
        return Cost(round(flash), arena + self._config.stack_bytes, cycles, self._mcu.milliseconds(cycles))

    def _planned(self, graph: ir.Graph, plan: SparsityPlan) -> tuple[Sequence[_Sketch], int]:
        """Sketches of the operators and the arena's bytes, with scratch offered as the compiler does.

        Where that is still too large the compiler tries patches, which takes it seconds; here the network is too large.
        How much too large is told by the smallest arena, and what it takes otherwise by the kernels that it would have:
        with hardly any scratch they would all be dense.
        """
        sizes = {name: math.prod(tensor.shape) for name, tensor in graph.tensors.items()}

        def plan_within(offers: Sequence[int]) -> _Sketched:
            sketches = [
                self._sketch(op, graph, plan.get(op.name), limit) for op, limit in zip(graph.ops, offers, strict=True)
            ]
            steps = [
                replace(sketch.step, name=op.name, inputs=op.inputs, output=op.output)
                for op, sketch in zip(graph.ops, sketches, strict=True)
            ]
            return _Sketched(sketches, plan_memory(steps, sizes, graph.input, graph.outputs, places_scratch=False))

        room = self._budget.sram_bytes - self._config.stack_bytes
        made = attempts(plan_within, len(graph.ops), scratch_limit(self._mcu, self._config), room)
        if made[-1].plan.arena_bytes <= room:
            return made[-1].sketches, made[-1].plan.arena_bytes
        return made[0].sketches, min(attempt.plan.arena_bytes for attempt in made)

    def _sketch(self, op: ir.Op, graph: ir.Graph, sparsity: LayerSparsity | None, limit: int) -> _Sketch:
        key = (*_signature(op, graph, sparsity), limit)
        sketch = self._sketches.get(key)
        if sketch is None:
            sketch = self._sketches[key] = self._make_sketch(op, graph, sparsity, limit)
        return sketch

    def _make_sketch(self, op: ir.Op, graph: ir.Graph, sparsity: LayerSparsity | None, limit: int) -> _Sketch:
        if isinstance(op, ir.Conv2D | ir.Linear) and sparsity is not None and self._config.encoding != "dense":
            sketch = self._sparse_sketch(op, graph, sparsity, limit)
            if sketch is not None:
                return sketch
        choice = _dense_implementation(op, graph, limit)
        step = Step(op, choice, 0, 0.0, choice.calls).planned(graph.tensors, {})
        if choice.alias:
            return _Sketch(step, 0.0, (), 0.0)
        kernel = kernel_key(op, choice.kernel)
        counts = measured_features(op, graph.tensors, choice)
        return self._costed(step, kernel, choice.constant_bytes, choice.sources, counts)

    def _sparse_sketch(
        self, op: ir.Conv2D | ir.Linear, graph: ir.Graph, sparsity: LayerSparsity, limit: int
    ) -> _Sketch | None:
        """The block-sparse kernel's, where the compiler would take it."""
        shape = _layer_shape(op)
        kept = total_blocks(shape, sparsity.block) - zero_blocks(shape, sparsity)
        conv, tensors = linear_as_convolution(op, graph.tensors) if isinstance(op, ir.Linear) else (op, graph.tensors)
        sizes = sparse_sizes(conv, tensors[op.output], sparsity.block, kept, limit)
        if sizes is None or math.prod(sizes.tiles.image) < TILE_PIXELS:
            return None
        step = PlannedStep(op.name, op.inputs, op.output, sizes.scratch_bytes)
        counts = features(op, graph.tensors, sizes.stored_weights, sizes.passes, sizes.tiles.band_rows, kept)
        kernel = kernel_key(op, sparse.KERNEL.name)
        return self._costed(step, kernel, sizes.constant_bytes, sparse.sources(sizes.tiles), counts)

    def _costed(
        self, step: PlannedStep, kernel: str, constant_bytes: int, sources: tuple[str, ...], counts: Features
    ) -> _Sketch:
        flash = constant_bytes + self._table.layer_bytes(kernel)
        return _Sketch(step, flash, sources, self._table.layer_cycles(kernel, counts))


def _dense_implementation(op: ir.Op, graph: ir.Graph, limit: int) -> Implementation:
    """The kernel for weights that are not block-sparse (``op`` has none: its zeros must not look so)."""
    for kernel in KERNELS:
        if kernel is not sparse.KERNEL and isinstance(op, kernel.operators):
            found = kernel.pack(op, graph.tensors, limit)
            if found:
                return found[0]
    raise NotImplementedError(f"no kernel runs {type(op).__name__} '{op.name}'")


def _signature(op: ir.Op, graph: ir.Graph, sparsity: LayerSparsity | None) -> tuple[object, ...]:
    """All that an operator's kernel, sizes and cycles depend on, weights apart."""
    shapes = (*(graph.tensors[name].shape for name in op.inputs), graph.tensors[op.output].shape)
    match op:
        case ir.Conv2D():
            return type(op), shapes, op.weights.shape, op.stride, op.padding, _zeros(op, sparsity)
        case ir.Linear():
            return type(op), shapes, _zeros(op, sparsity)
        case ir.DepthwiseConv2D():
            return type(op), shapes, op.weights.shape, op.stride, op.padding
        case ir.BatchMatMul():
            return type(op), shapes, op.batch, op.m, op.k, op.n, op.a_strides, op.b_strides, op.y_strides
        case ir.AveragePool2D():
            return type(op), shapes, op.kernel, op.stride
        case _:
            return type(op), shapes


def _zeros(op: ir.Conv2D | ir.Linear, sparsity: LayerSparsity | None) -> tuple[tuple[int, int], int] | None:
    return None if sparsity is None else (sparsity.block, zero_blocks(_layer_shape(op), sparsity))


def _layer_shape(op: ir.Conv2D | ir.Linear) -> tuple[int, ...]:
    """Shape of the weights as layers have it: (O, I) or (O, I, KH, KW)."""
    shape = op.weights.shape
    return (shape[0], shape[-1], *shape[1:-1])
