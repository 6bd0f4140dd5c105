"""Stage ``supernas``: the supernet whose sub-networks suit the microcontroller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.progress import Progress

from tinyformer.budget import Budget
from tinyformer.data.splits import load_splits
from tinyformer.engine.cost_table import CostTable
from tinyformer.engine.estimator import Estimator
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_json, write_json, write_yaml
from tinyformer.pipeline.stage import Stage, run_stage
from tinyformer.supernas.search import search_supernet
from tinyformer.supernas.space import SupernetSpace


def supernas(stage: Stage) -> Mapping[str, Any]:
    """Write ``supernet.yaml`` and how every candidate scored; the metrics are the winner's figures."""
    config = stage.config
    splits = load_splits(artifacts.PROCESSED / config.data.name)
    costs = Estimator(config.mcu, config.engine, CostTable.from_dict(read_json(artifacts.COST_TABLE)))
    with Progress(transient=True) as progress:
        task = progress.add_task("Scoring supernets", total=None)
        result = search_supernet(
            SupernetSpace(config.search_space, splits.image_size, splits.channels, len(splits.classes)),
            # Sub-networks are costed dense: how sparse they become is decided later, by SparseNAS.
            lambda subnet: costs.estimate(subnet, {}),
            Budget.of(config.sparsenas.limits, config.mcu),
            config.supernas,
            config.seed,
            on_scored=lambda done, total: progress.update(task, completed=done, total=total),
        )
    write_json(artifacts.SUPERNAS_SCORES, result.to_dict())
    write_yaml(artifacts.SUPERNET_SPEC, result.winner.spec.to_dict())
    return {"candidates": len(result.candidates), **_numbers(result.winner.figures())}


def _numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    """What of ``figures`` is a number: DVC metrics and tracking summaries hold no lists."""
    return {name: value for name, value in figures.items() if isinstance(value, int | float)}


if __name__ == "__main__":
    run_stage("supernas", supernas)
