# SPDX-License-Identifier: Apache-2.0
"""Random sub-networks with random block sparsity: cost tables are measured on some, estimates are checked on others.

Two wide supernets span what is searched: small grey images, and coloured ones at twice the resolution. So every kernel
runs on many shapes and in the company it keeps in real models.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyformer.nets.spec import ConvBlock, LayerSparsity, SparsityPlan, StageSpec, SubnetSpec, weighted_layers
from tinyformer.nets.supernet_spec import (
    ConvChoices,
    InvertedResidualChoices,
    SkipChoice,
    StageChoices,
    SupernetSpec,
    TransformerChoices,
)

_MBCONV = InvertedResidualChoices((3, 5, 7), (1, 2, 4, 6))
_CONV = ConvChoices((1, 3, 5))
_TRANSFORMER = TransformerChoices((1, 2), (1, 2, 4), (4, 8, 16), (1.0, 2.0), (1, 2))

SMALL = SupernetSpec(
    image_size=16,
    channels=1,
    classes=10,
    activation="relu",
    stem_widths=(8, 12, 16),
    stem_kernel=3,
    stem_stride=1,
    stages=(
        StageChoices((8, 16, 24), 1, ((_CONV, _MBCONV), (_CONV, _MBCONV, SkipChoice()))),
        StageChoices((16, 24, 36), 2, ((_MBCONV,), (_CONV, _MBCONV, SkipChoice()), (_TRANSFORMER,))),
        StageChoices((24, 40, 64), 2, ((_MBCONV,), (_MBCONV, SkipChoice()), (_TRANSFORMER, SkipChoice()))),
    ),
)

LARGE = SupernetSpec(
    image_size=32,
    channels=3,
    classes=10,
    activation="hardswish",
    stem_widths=(16, 24, 32),
    stem_kernel=3,
    stem_stride=2,
    stages=(
        StageChoices((16, 24, 32), 1, ((_CONV, _MBCONV), (_MBCONV, SkipChoice()))),
        StageChoices((32, 48, 64), 2, ((_MBCONV,), (_CONV, _MBCONV, SkipChoice()), (_TRANSFORMER, SkipChoice()))),
        StageChoices((64, 96, 128), 2, ((_MBCONV,), (_TRANSFORMER, SkipChoice()), (_TRANSFORMER,))),
    ),
    head_widths=(128, 192),
)

POOLED = tuple(
    SubnetSpec(
        image_size=size,
        channels=1,
        classes=4,
        activation="relu",
        stem_width=width,
        stem_kernel=3,
        stem_stride=1,
        stages=tuple(StageSpec(width, 2, (ConvBlock(1),), "maxpool") for _ in range(3)),
        head_width=0,
    )
    for size, width in ((16, 16), (24, 24), (32, 32))
)
"""Networks for the kernels that the random ones have no use for: max pooling."""

RATIOS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Block sparsities that layers are given."""

_BLOCKS = ((2, 2), (2, 2), (2, 4), (4, 2), (4, 4))


def samples(count: int, seed: int) -> Iterator[tuple[SubnetSpec, SparsityPlan]]:
    """``count`` random networks, small and large ones by turns, each with a random sparsity plan."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        spec = (SMALL, LARGE)[i % 2].sample(rng)
        yield spec, random_plan(spec, rng)


def random_plan(spec: SubnetSpec, rng: np.random.Generator) -> SparsityPlan:
    """A ratio of :data:`RATIOS` and a block shape for each prunable layer; dense layers are left out."""
    plan: SparsityPlan = {}
    for layer in weighted_layers(spec):
        ratio = RATIOS[int(rng.integers(len(RATIOS)))]
        block = _BLOCKS[int(rng.integers(len(_BLOCKS)))]
        if layer.prunable and ratio > 0:
            plan[layer.name] = LayerSparsity(block, ratio)
    return plan
