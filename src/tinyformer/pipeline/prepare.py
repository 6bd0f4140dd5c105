# SPDX-License-Identifier: Apache-2.0
"""Stage ``prepare``: fetch, verify and split the data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyformer.data.preparation import prepare_dataset
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.stage import Stage, run_stage


def prepare(stage: Stage) -> Mapping[str, Any]:
    """Write ``data/processed/<name>``; the metrics are the sizes of the splits."""
    config = stage.config
    manifest = prepare_dataset(config.data, config.seed, artifacts.PROCESSED / config.data.name)
    return {"classes": len(manifest.classes), **{f"{split}_images": count for split, count in manifest.counts.items()}}


if __name__ == "__main__":
    run_stage("prepare", prepare)
