# SPDX-License-Identifier: Apache-2.0
"""A small space of supernets and an estimator made of layer counts."""

from __future__ import annotations

from typing import Any

from tinyformer.budget import Budget
from tinyformer.config.search_space import SearchSpaceConfig
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.engine.costs.estimator import Cost
from tinyformer.nets.spec import SparsityPlan, SubnetSpec, weighted_layers
from tinyformer.supernas.space import SupernetSpace

CONFIG: dict[str, Any] = {
    "activation": "relu",
    "width_ratios": [0.5, 1.0],
    "stem": {"widths": [4, 8], "kernel": 3, "strides": [1, 2]},
    "blocks": {
        "conv": {"kernels": [3]},
        "mbconv": {"kernels": [3, 5], "expansions": [2]},
        "transformer": {"depths": [1], "heads": [1, 2], "head_dims": [4], "mlp_ratios": [1.0], "pools": [2, 4]},
    },
    "stages": [
        {"widths": [8], "strides": [2], "convolutions": [1, 2], "kinds": [["mbconv"], ["conv", "mbconv"]]},
        {"widths": [8, 16], "strides": [1, 2], "convolutions": [1], "kinds": [["mbconv"]], "transformers": [0, 1]},
    ],
    "head_widths": [0, 32],
}
NO_LIMITS = Budget({})


def space(**changes: Any) -> SupernetSpace:
    """The supernets for 12x12 grey images of three classes."""
    return SupernetSpace(SearchSpaceConfig.model_validate({**CONFIG, **changes}), image_size=12, channels=1, classes=3)


def settings(**changes: Any) -> SuperNasConfig:
    """Few samples, all dense, everything else by default."""
    return SuperNasConfig(**{"samples": 4, "population": 6, "sparsities": (0.0,), **changes})


def estimate(spec: SubnetSpec, plan: SparsityPlan) -> Cost:
    """A byte a kept weight, a byte an output, a microsecond a thousand multiply-accumulates of kept weights."""
    layers = weighted_layers(spec)
    kept = {layer.name: 1 - plan[layer.name].ratio if layer.name in plan else 1.0 for layer in layers}
    macs = round(sum(layer.macs * kept[layer.name] for layer in layers))
    activations = max(layer.positions * layer.shape[0] for layer in layers)
    return Cost(round(sum(layer.weights * kept[layer.name] for layer in layers)), activations, macs, macs / 1e6)
