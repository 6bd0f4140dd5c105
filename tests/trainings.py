# SPDX-License-Identifier: Apache-2.0
"""What the tests of trainings share: small digits, one thread, and a training that the system kills.

A module with a function ``run(dataset, directory, on_metrics, **changes)`` calls :func:`die_in_the_second_epoch` when
it is the main one; :func:`run_killed` starts it so in a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinyformer.config.data import AugmentConfig, DataConfig
from tinyformer.config.runtime import RuntimeConfig
from tinyformer.config.trainer import TrainerConfig

DATA = DataConfig(
    name="digits", source="digits", root=None, image_size=8, channels=1, validation_fraction=0.1, test_fraction=0.2,
    calibration_images=16, train_limit=200,
    augment=AugmentConfig(
        crop_padding=1, crop_fill="black", horizontal_flip=False, cutout=0, color_jitter=0.0, mixup=0.0
    ),
)  # fmt: skip
"""The data set of the fixture ``dataset``: 200 training images of 8x8 pixels."""

TRAINER = TrainerConfig(num_threads=1)


def runtime(checkpoint_every: int | None = None) -> RuntimeConfig:
    """Without progress bars."""
    return RuntimeConfig(progress_bar=False, checkpoint_every=checkpoint_every)


def run_killed(module: str, dataset: Path, directory: Path, **changes: Any) -> None:
    """Let ``python -m module`` train with checkpoints in ``directory`` until it is killed."""
    command = [sys.executable, "-m", module, str(dataset), str(directory), json.dumps(changes)]
    process = subprocess.run(command, cwd=Path(__file__).parents[1], check=False, capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert any((directory / "checkpoints").iterdir())
    assert not list(directory.glob("*.safetensors")), "killed too late to be a test"


def die_in_the_second_epoch(run: Callable[..., Any]) -> None:
    """Call ``run`` with the arguments of :func:`run_killed`; it leaves without a word, as in a power cut."""

    def die(metrics: Mapping[str, float], epoch: int) -> None:
        if epoch == 2:  # reported, not yet saved
            os.kill(os.getpid(), signal.SIGKILL)

    run(Path(sys.argv[1]), Path(sys.argv[2]), die, **json.loads(sys.argv[3]))
