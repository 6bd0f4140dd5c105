"""A small space of supernets and an estimator made of layer counts."""

from __future__ import annotations

from typing import Any

from tinyformer.budget import Budget
from tinyformer.config.search_space import SearchSpaceConfig
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.engine.estimator import Cost
from tinyformer.nets.spec import SubnetSpec, weighted_layers
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
    """Few samples, everything else by default."""
    return SuperNasConfig(**{"samples": 4, "population": 6, **changes})


def estimate(spec: SubnetSpec) -> Cost:
    """A byte a weight, a byte an output, a microsecond a thousand multiply-accumulates."""
    layers = weighted_layers(spec)
    macs = sum(layer.macs for layer in layers)
    activations = max(layer.positions * layer.shape[0] for layer in layers)
    return Cost(sum(layer.weights for layer in layers), activations, macs, macs / 1e6)
