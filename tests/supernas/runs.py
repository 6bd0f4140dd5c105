"""A supernet that trains in a second, and the command that trains it in a process of its own (to be killed)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tinyformer.config.data import AugmentConfig, DataConfig
from tinyformer.config.train import TrainConfig
from tinyformer.config.trainer import TrainerConfig
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
DATA = DataConfig(
    name="digits", source="digits", root=None, image_size=8, channels=1, validation_fraction=0.1, test_fraction=0.2,
    calibration_images=16, train_limit=168,
    augment=AugmentConfig(
        crop_padding=1, crop_fill="black", horizontal_flip=False, cutout=0, color_jitter=0.0, mixup=0.0
    ),
)  # fmt: skip
TRAINER = TrainerConfig(num_threads=1, progress_bar=False)


def train_config(**changes: Any) -> TrainConfig:
    """Four epochs of seven steps."""
    settings = {
        "epochs": 4, "batch_size": 24, "paths": "single", "learning_rate": 0.01, "warmup_epochs": 0.5,
        "validate_every": 2, "recalibration_batches": 2,
    }  # fmt: skip
    return TrainConfig(**{**settings, **changes})


def train(dataset: Path, directory: Path, on_metrics: OnMetrics | None = None, **changes: Any) -> TrainedSupernet:
    """Train with checkpoints in ``directory`` and write ``directory/supernet.safetensors``."""
    trained = train_supernet(
        SPEC,
        load_splits(dataset),
        DATA,
        train_config(**changes),
        TRAINER,
        seed=7,
        checkpoints=directory / "checkpoints",
        on_metrics=on_metrics,
    )
    save_weights(directory / "supernet.safetensors", trained.supernet.state_dict())
    return trained


if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]), **json.loads(sys.argv[3]))
