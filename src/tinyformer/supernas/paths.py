"""Which sub-networks a step trains, and which are validated: functions of the seed and the step alone."""

from __future__ import annotations

import numpy as np

from tinyformer.config.train import TrainConfig
from tinyformer.nets.spec import SubnetSpec
from tinyformer.nets.supernet_spec import SupernetSpec

_TRAINING, _VALIDATION = 1, 2  # streams of random numbers


def training_paths(spec: SupernetSpec, config: TrainConfig, seed: int, step: int) -> list[SubnetSpec]:
    """The sub-networks of a training step; in a sandwich the largest, which teaches the others, comes first."""
    rng = np.random.default_rng([seed, _TRAINING, step])
    if config.paths == "single":
        return [spec.sample(rng)]
    return [spec.largest(), spec.smallest(), *(spec.sample(rng) for _ in range(config.random_paths))]


def validation_paths(spec: SupernetSpec, config: TrainConfig, seed: int) -> dict[str, SubnetSpec]:
    """The sub-networks of every validation by name: ``largest``, ``smallest``, ``random_0``, ..."""
    rng = np.random.default_rng([seed, _VALIDATION])
    random = {f"random_{i}": spec.sample(rng) for i in range(config.validation_paths)}
    return {"largest": spec.largest(), "smallest": spec.smallest(), **random}
