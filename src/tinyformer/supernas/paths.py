# SPDX-License-Identifier: Apache-2.0
"""Which sub-networks a step trains, and which are validated: functions of the seed and the step alone."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from tinyformer.config.supernet_training import SupernetTrainingConfig
from tinyformer.nets.spec import Block, SubnetSpec
from tinyformer.nets.supernet_spec import SupernetSpec

_TRAINING, _VALIDATION = 1, 2  # streams of random numbers
_FIRST_ELASTIC = ("kernel", "depth")
"""Fields of blocks that shrink first; the others are widths of some kind."""


def training_paths(
    spec: SupernetSpec, config: SupernetTrainingConfig, seed: int, step: int, progress: float = 1.0
) -> list[SubnetSpec]:
    """The sub-networks of a training step; where there are several the largest, which teaches the others, comes first.

    ``progress`` is the share of the training that is done, 0 .. 1.
    """
    rng = np.random.default_rng([seed, _TRAINING, step])
    match config.paths:
        case "single":
            return [spec.sample(rng)]
        case "sandwich":
            return [spec.largest(), spec.smallest(), *(spec.sample(rng) for _ in range(config.random_paths))]
        case "shrinking":
            largest = spec.largest()
            drawn = [spec.sample(rng) for _ in range(config.random_paths)]
            return [largest, *(path if progress >= 0.5 else at_full_width(path, largest) for path in drawn)]


def at_full_width(path: SubnetSpec, largest: SubnetSpec) -> SubnetSpec:
    """``path`` with the widths of ``largest``: its own are the kernels, the depths and the blocks left out."""
    stages = tuple(
        replace(theirs, blocks=tuple(map(_widened, ours.blocks, theirs.blocks)))
        for ours, theirs in zip(path.stages, largest.stages, strict=True)
    )
    return replace(largest, stages=stages)


def validation_paths(spec: SupernetSpec, config: SupernetTrainingConfig, seed: int) -> dict[str, SubnetSpec]:
    """The sub-networks of every validation by name: ``largest``, ``smallest``, ``random_0``, ..."""
    rng = np.random.default_rng([seed, _VALIDATION])
    random = {f"random_{i}": spec.sample(rng) for i in range(config.validation_paths)}
    return {"largest": spec.largest(), "smallest": spec.smallest(), **random}


def _widened(block: Block, largest: Block) -> Block:
    if block.kind != largest.kind:
        return block
    elastic = {field.name: getattr(block, field.name) for field in fields(block) if field.name in _FIRST_ELASTIC}
    return replace(largest, **elastic)
