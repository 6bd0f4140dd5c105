"""Learning rate over time, and which parameters decay."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Fraction of the peak learning rate at ``step`` of ``steps``: linear over ``warmup`` steps, then half a cosine to
    zero (Loshchilov and Hutter, arXiv 1608.03983)."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1.0, steps - warmup)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Convolution and linear weights with ``weight_decay``; biases and the parameters of norms without."""
    decaying = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return [{"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def build_optimizer(
    name: Literal["adamw", "sgd"], groups: list[dict[str, object]], learning_rate: float, steps: int, warmup: float
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """``adamw``, or ``sgd`` with Nesterov momentum 0.9, and its schedule :func:`warmup_cosine`, stepped every batch."""
    optimizer: torch.optim.Optimizer
    if name == "adamw":
        optimizer = torch.optim.AdamW(groups, lr=learning_rate, fused=True)  # one kernel instead of one a tensor
    else:
        optimizer = torch.optim.SGD(groups, lr=learning_rate, momentum=0.9, nesterov=True, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, steps, warmup))
    return optimizer, schedule
