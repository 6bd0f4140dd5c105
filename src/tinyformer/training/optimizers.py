"""Optimizers and learning rates as both trainings use them."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from tinyformer.training.schedules import warmup_cosine


def make_optimizer(
    model: nn.Module, name: Literal["adamw", "sgd"], learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW, or SGD with Nesterov momentum 0.9; only matrices and kernels decay, norms and biases do not."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=learning_rate)
    return torch.optim.SGD(groups, lr=learning_rate, momentum=0.9, nesterov=True)


def scheduled(optimizer: torch.optim.Optimizer, total_steps: int, warmup_steps: float) -> dict[str, Any]:
    """What ``configure_optimizers`` returns: ``optimizer`` under :func:`warmup_cosine`, advanced every step."""
    scheduler = LambdaLR(optimizer, lambda step: warmup_cosine(step, total_steps, warmup_steps))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
