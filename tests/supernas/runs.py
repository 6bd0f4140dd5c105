# SPDX-License-Identifier: Apache-2.0
"""A supernet that trains in a second; as a program, one that is killed (see ``tests.trainings``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.trainings import DATA, TRAINER, die_in_the_second_epoch, runtime
from tinyformer.config.supernet_training import SupernetTrainingConfig
from tinyformer.data.splits import load_splits
from tinyformer.nets.supernet_spec import (
    ConvChoices,
    InvertedResidualChoices,
    SkipChoice,
    StageChoices,
    SupernetSpec,
    TransformerChoices,
)
from tinyformer.supernas.training import TrainedSupernet, train_supernet
from tinyformer.training.callbacks import OnMetrics
from tinyformer.training.checkpoint import save_weights

MBCONV = InvertedResidualChoices((3, 5), (2,))
TRANSFORMER = TransformerChoices((1,), (1, 2), (4,), (1.0,), (1, 2))
SPEC = SupernetSpec(
    8, 1, 10, "relu", (8,), 3, 2,
    (StageChoices((8, 16), 1, ((ConvChoices((3,)), MBCONV), (MBCONV, SkipChoice()), (TRANSFORMER,))),),
)  # fmt: skip


def train_config(**changes: Any) -> SupernetTrainingConfig:
    """Four epochs of seven steps."""
    settings = {
        "epochs": 4, "batch_size": 28, "paths": "single", "learning_rate": 0.01, "warmup_epochs": 0.5,
        "validate_every": 2, "recalibration_batches": 2,
    }  # fmt: skip
    return SupernetTrainingConfig(**{**settings, **changes})


def train(
    dataset: Path,
    directory: Path,
    on_metrics: OnMetrics | None = None,
    checkpoint_every: int | None = None,
    **changes: Any,
) -> TrainedSupernet:
    """Train with checkpoints in ``directory`` and write ``directory/supernet.safetensors``."""
    trained = train_supernet(
        SPEC,
        load_splits(dataset),
        DATA,
        train_config(**changes),
        TRAINER,
        seed=7,
        checkpoints=directory / "checkpoints",
        runtime=runtime(checkpoint_every),
        on_metrics=on_metrics,
    )
    save_weights(directory / "supernet.safetensors", trained.supernet.state_dict())
    return trained


if __name__ == "__main__":
    die_in_the_second_epoch(train)
