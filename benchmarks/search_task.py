# SPDX-License-Identifier: Apache-2.0
"""The task that searches are compared on: CIFAR-10 at 16 x 16 pixels, 4,000 training images, limits that bind.

Small enough that a supernet trains in half a minute on one core, hard enough that networks differ, and with
10,000 test images, so that an accuracy's standard error is 0.5 points.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from tinyformer.budget import Budget
from tinyformer.config.data import AugmentConfig, DataConfig
from tinyformer.config.engine import EngineConfig
from tinyformer.config.finetune import FinetuneConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.runtime import RuntimeConfig
from tinyformer.config.search_space import SearchSpaceConfig
from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.config.supernet_training import SupernetTrainingConfig
from tinyformer.config.trainer import TrainerConfig
from tinyformer.config.training import DistillationConfig
from tinyformer.data.splits import Splits, load_splits
from tinyformer.engine.costs.estimator import Estimator
from tinyformer.engine.costs.table import CostTable
from tinyformer.mcu.target import load_mcu

IMAGE: tuple[int, Literal[1, 3], int] = (16, 3, 10)
"""Side, channels and classes."""

LIMITS = LimitsConfig(flash_bytes=48 * 1024, sram_bytes=64 * 1024, latency_ms=5.0)
"""Of the STM32F746: 22 KB of the flash are code, and most of the space's networks exceed the limits unpruned."""

DATA = DataConfig(
    name="cifar10-16px",
    source="cifar10",
    root=None,
    image_size=IMAGE[0],
    channels=IMAGE[1],
    validation_fraction=0.05,
    test_fraction=0.2,
    calibration_images=16,
    train_limit=4000,
    augment=AugmentConfig(
        crop_padding=1, crop_fill="reflect", horizontal_flip=True, cutout=0, color_jitter=0.0, mixup=0.0
    ),
)

SPACE = SearchSpaceConfig.model_validate(
    {
        "activation": "relu",
        "width_ratios": [0.5, 0.75, 1.0],
        "stem": {"widths": [8, 16], "kernel": 3, "strides": [1, 2]},
        "blocks": {
            "conv": {"kernels": [3]},
            "mbconv": {"kernels": [3, 5], "expansions": [2, 4]},
            "residual": {"expansions": [0.5, 1.0]},
            "transformer": {
                "depths": [1, 2],
                "heads": [2, 4],
                "head_dims": [8],
                "mlp_ratios": [1.0, 2.0],
                "pools": [1, 2],
            },
        },
        "stages": [
            {
                "widths": [16, 32, 48],
                "strides": [1, 2],
                "convolutions": [1, 2],
                "kinds": [["mbconv"], ["residual"], ["conv", "residual"]],
                "transformers": [0, 1],
                "optional_transformers": True,
            },
            {
                "widths": [32, 64, 96, 128],
                "strides": [2],
                "convolutions": [1, 2],
                "kinds": [["mbconv"], ["residual"], ["mbconv", "residual"]],
                "transformers": [1],
            },
        ],
    }
)

SUPERNET_TRAINING = SupernetTrainingConfig(
    epochs=10, batch_size=64, paths="single", random_paths=1, learning_rate=4e-3, warmup_epochs=1.0,
    weight_decay=0.02, validate_every=10, validation_paths=2,
)  # fmt: skip

SHRINKING = SUPERNET_TRAINING.model_copy(
    update={
        "largest": DistillationConfig(
            epochs=4, batch_size=64, learning_rate=4e-3, warmup_epochs=0.5, weight_decay=0.02, validate_every=4
        ),
        "paths": "shrinking",
        "epochs": 3,
        "random_paths": 1,
        "learning_rate": 2e-3,
        "warmup_epochs": 0.25,
        "validate_every": 3,
    }
)
"""As many images times paths: four tenths for the largest network alone, then it and another path a step."""

SUPERNAS = SuperNasConfig(
    max_candidates=64, samples=12, population=16,
    finalists=6, trial=SUPERNET_TRAINING.model_copy(update={"epochs": 4, "warmup_epochs": 0.5, "validate_every": 4}),
    trial_samples=8,
)  # fmt: skip

SPARSITY = SparsityConfig(
    target="auto",
    block_shapes=((2, 2), (2, 4), (4, 2), (4, 4)),
    ratios=(0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
    compensation="least_squares",
)

SPARSENAS = SparseNasConfig(
    population=16, generations=4, finalists=6, finalist_epochs=3.0, evaluation_images=2500, require_transformer=True
)

FINETUNE = FinetuneConfig(
    epochs=6, batch_size=64, learning_rate=4e-3, warmup_epochs=0.5, weight_decay=0.02, teacher="dense",
    distillation=0.3, validate_every=6,
)  # fmt: skip

TRAINER = TrainerConfig(num_threads=1)
RUNTIME = RuntimeConfig(progress_bar=False, workers=1)


@dataclass(frozen=True)
class Task:
    """The task as it lies in the directory ``work``."""

    work: Path

    @property
    def data(self) -> Path:
        """The prepared data set."""
        return self.work / DATA.name

    @property
    def table(self) -> Path:
        """The cost table."""
        return self.work / "cost_table.json"

    @cached_property
    def splits(self) -> Splits:
        """With the test split, which no search is given."""
        return load_splits(self.data)

    @cached_property
    def budget(self) -> Budget:
        """The limits."""
        return Budget.of(LIMITS, load_mcu("stm32f746"))

    @cached_property
    def costs(self) -> Estimator:
        """Estimates on the microcontroller."""
        return Estimator(
            load_mcu("stm32f746"), EngineConfig(), CostTable.from_dict(json.loads(self.table.read_text())), self.budget
        )
