# SPDX-License-Identifier: Apache-2.0
"""A fine-tuning that takes a second; as a program, one that is killed (see ``tests.trainings``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.trainings import DATA, TRAINER, die_in_the_second_epoch, runtime
from tinyformer.compression.finetune import FinetunedSubnet, finetune
from tinyformer.config.finetune import FinetuneConfig
from tinyformer.data.splits import load_splits
from tinyformer.nets.blocks import initialize
from tinyformer.nets.spec import ConvBlock, InvertedResidual, StageSpec, SubnetSpec, TransformerBlock, weighted_layers
from tinyformer.nets.subnet import Subnet
from tinyformer.training.callbacks import OnMetrics
from tinyformer.training.checkpoint import save_weights

SPEC = SubnetSpec(
    8, 1, 10, "relu", 8, 3, 2,
    (StageSpec(8, 1, (InvertedResidual(3, 2), TransformerBlock(1, 1, 8, 2.0, 1), ConvBlock(3))),), 16,
)  # fmt: skip


def config(**changes: Any) -> FinetuneConfig:
    """Four epochs of five steps."""
    settings = {
        "epochs": 4, "batch_size": 40, "learning_rate": 0.01, "warmup_epochs": 0.5, "ema_decay": 0.8,
        "validate_every": 3, "recalibration_batches": 2,
    }  # fmt: skip
    return FinetuneConfig(**{**settings, **changes})


def dense_subnet() -> Subnet:
    """Freshly initialized; what it has learnt does not matter here."""
    subnet = Subnet(SPEC)
    initialize(subnet, torch.Generator().manual_seed(0))
    return subnet.eval()


def prune(state: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Hide 60 % of each prunable layer's rows, the smallest first."""
    masks = {}
    for layer in weighted_layers(SPEC):
        if layer.prunable:
            weight = state[f"{layer.name}.weight"]
            norms = weight.flatten(1).norm(dim=1)
            mask = torch.ones_like(weight, dtype=torch.bool)
            mask[norms.argsort(stable=True)[: int(0.6 * share * len(norms))]] = False
            masks[layer.name] = mask
    return masks


def run(
    dataset: Path,
    directory: Path,
    on_metrics: OnMetrics | None = None,
    checkpoint_every: int | None = None,
    **changes: Any,
) -> FinetunedSubnet:
    """Fine-tune with checkpoints in ``directory`` and write ``directory/subnet.safetensors``."""
    result = finetune(
        dense_subnet(),
        prune,
        load_splits(dataset),
        DATA,
        config(**changes),
        TRAINER,
        seed=7,
        checkpoints=directory / "checkpoints",
        runtime=runtime(checkpoint_every),
        on_metrics=on_metrics,
    )
    save_weights(directory / "subnet.safetensors", result.subnet.state_dict())
    return result


if __name__ == "__main__":
    die_in_the_second_epoch(run)
