# SPDX-License-Identifier: Apache-2.0
"""Stage ``train_supernet``: weight-sharing training of the chosen supernet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyformer.data.splits import load_splits
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.networks import read_supernet_spec
from tinyformer.pipeline.stage import Stage, run_stage
from tinyformer.supernas.training import train_supernet
from tinyformer.training.checkpoint import save_weights


def train_supernet_stage(stage: Stage) -> Mapping[str, Any]:
    """Write ``supernet.safetensors`` and the training curve; the metrics are those of the last epoch."""
    config = stage.config
    processed = artifacts.PROCESSED / config.data.name
    trained = train_supernet(
        read_supernet_spec(artifacts.SUPERNET_SPEC),
        load_splits(processed).without_test(),
        config.data,
        config.supernet_training,
        config.trainer,
        seed=config.seed,
        checkpoints=stage.checkpoints(),
        runtime=config.runtime,
        on_metrics=stage.log,
    )
    save_weights(artifacts.SUPERNET, trained.supernet.state_dict())
    stage.write_history()
    stage.run.add_artifact(artifacts.SUPERNET, f"{config.experiment}-supernet", "weights")
    return trained.metrics


if __name__ == "__main__":
    run_stage("train_supernet", train_supernet_stage)
