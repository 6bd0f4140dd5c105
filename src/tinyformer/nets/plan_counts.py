# SPDX-License-Identifier: Apache-2.0
"""How many blocks and weights a layer's sparsity stands for: integer arithmetic on shapes, no weights needed."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinyformer.nets.spec import LayerSparsity, SparsityPlan, SubnetSpec, WeightedLayer, weighted_layers


def total_blocks(shape: tuple[int, ...], block: tuple[int, int]) -> int:
    """Blocks that cover weights of ``shape``, (O, I) or (O, I, KH, KW); partly filled ones at the edges count."""
    rows, cols = block
    padded_inputs = -(-shape[1] // 4) * 4
    return -(-shape[0] // rows) * math.prod(shape[2:]) * -(-padded_inputs // cols)


def zero_blocks(shape: tuple[int, ...], sparsity: LayerSparsity) -> int:
    """Blocks that pruning at ``sparsity`` removes from weights of ``shape``."""
    return round(sparsity.ratio * total_blocks(shape, sparsity.block))


def zero_weights(shape: tuple[int, ...], sparsity: LayerSparsity) -> int:
    """Weights sure to lie in zero blocks: exact where blocks divide the shape, else a lower bound."""
    rows, cols = sparsity.block
    taps = math.prod(shape[2:])
    missing = total_blocks(shape, sparsity.block) * rows * cols - math.prod(shape)
    if missing == 0:
        return zero_blocks(shape, sparsity) * rows * cols
    heights = _extents(shape[0], rows)
    widths = _input_extents(shape[1], cols)
    sizes = sorted(height * width for height in heights for width in widths for _ in range(taps))
    return sum(sizes[: zero_blocks(shape, sparsity)])


def overall_sparsity(layers: list[WeightedLayer], plan: Mapping[str, LayerSparsity]) -> float:
    """Fraction of the prunable weights that ``plan`` puts into zero blocks, 0 .. 1 (0 if nothing is prunable)."""
    prunable = [layer for layer in layers if layer.prunable]
    total = sum(layer.weights for layer in prunable)
    zero = sum(zero_weights(layer.shape, plan[layer.name]) for layer in prunable if layer.name in plan)
    return zero / total if total else 0.0


def planned_sparsity(spec: SubnetSpec, plan: SparsityPlan) -> float:
    """:func:`overall_sparsity` of a sub-network."""
    return overall_sparsity(weighted_layers(spec), plan)


def _extents(size: int, step: int) -> list[int]:
    return [min(step, size - start) for start in range(0, size, step)]


def _input_extents(inputs: int, cols: int) -> list[int]:
    """Real inputs in each column of blocks; the padded last group of four is in pair order 0, 2, 1, 3."""
    real = [index < inputs for group in range(0, inputs, 4) for index in (group, group + 2, group + 1, group + 3)]
    return [sum(real[start : start + cols]) for start in range(0, len(real), cols)]
