# SPDX-License-Identifier: Apache-2.0
"""Learning rates over time and by kind of parameter, and the optimizers under them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from tinyformer.config.training import TrainingConfig
from tinyformer.training.muon import Muon

HEAD = "classifier"
"""The layer that turns features into logits, by its name in every network."""


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Fraction of the peak learning rate at ``step`` of ``steps``: linear over ``warmup`` steps, then half a cosine to
    zero (Loshchilov and Hutter, arXiv 1608.03983)."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1.0, steps - warmup)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def warmup_linear(step: int, steps: int, warmup: float) -> float:
    """As :func:`warmup_cosine`, down to zero along a line; with a long warm-up a triangle (Smith, arXiv 1506.01186)."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (steps - step) / max(1.0, steps - warmup))


_SCHEDULES = {"cosine": warmup_cosine, "linear": warmup_linear}


def parameter_groups(model: nn.Module, settings: TrainingConfig) -> dict[str, dict[str, Any]]:
    """``matrices`` (convolution and linear weights), ``head`` (the classifier's) and ``vectors`` (biases, parameters of
    norms and ranges), each with its learning rate and weight decay; vectors do not decay."""
    rate, decay = settings.learning_rate, settings.weight_decay
    groups: dict[str, dict[str, Any]] = {
        "matrices": {"params": [], "lr": rate, "weight_decay": decay},
        "head": {"params": [], "lr": settings.head_learning_rate or rate, "weight_decay": decay},
        "vectors": {"params": [], "lr": settings.vector_learning_rate or rate, "weight_decay": 0.0},
    }
    for name, parameter in model.named_parameters():
        is_head = name.split(".")[-2:-1] == [HEAD]
        kind = "vectors" if parameter.ndim <= 1 else "head" if is_head else "matrices"
        groups[kind]["params"].append(parameter)
    return groups


def build_optimizer(
    model: nn.Module, settings: TrainingConfig, steps: int, warmup: float
) -> tuple[torch.optim.Optimizer, LambdaLR]:
    """The optimizer of a training of ``steps`` steps and its schedule, which warms up over ``warmup`` of them and is
    stepped every batch."""
    groups = parameter_groups(model, settings)
    optimizer: torch.optim.Optimizer
    match settings.optimizer:
        case "adamw":  # fused: one kernel instead of one a tensor
            optimizer = torch.optim.AdamW(_merged(groups.values()), fused=True)
        case "sgd":
            optimizer = torch.optim.SGD(_merged(groups.values()), momentum=0.9, nesterov=True, fused=True)
        case "muon":
            plain = ({**groups[name], "orthogonal": False, "momentum": 0.85} for name in ("head", "vectors"))
            optimizer = Muon([groups["matrices"], *plain], lr=settings.learning_rate)
    shape = _SCHEDULES[settings.schedule]
    return optimizer, LambdaLR(optimizer, lambda step: shape(step, steps, warmup))


def _merged(groups: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Groups of equal settings joined: one rate for all leaves two, what decays and what does not."""
    merged: dict[tuple[float, float], dict[str, Any]] = {}
    for group in groups:
        known = merged.setdefault((group["lr"], group["weight_decay"]), {**group, "params": []})
        known["params"] = [*known["params"], *group["params"]]
    return list(merged.values())
