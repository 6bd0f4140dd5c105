# SPDX-License-Identifier: Apache-2.0
"""Stage ``sparsenas``: the joint search of architecture and per-layer block sparsity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.progress import Progress

from tinyformer.budget import Budget
from tinyformer.data.splits import load_splits
from tinyformer.engine.costs.estimator import Estimator
from tinyformer.engine.costs.table import CostTable
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_json, write_json, write_yaml
from tinyformer.pipeline.networks import read_supernet_spec
from tinyformer.pipeline.stage import Stage, run_stage
from tinyformer.sparsenas.search import search
from tinyformer.training.checkpoint import load_weights


def sparsenas(stage: Stage) -> Mapping[str, Any]:
    """Write ``pareto.json`` and the winner as ``subnet.yaml``; the metrics are the winner's figures."""
    config = stage.config
    supernet = read_supernet_spec(artifacts.SUPERNET_SPEC)
    splits = load_splits(artifacts.PROCESSED / config.data.name).without_test()
    budget = Budget.of(config.limits, config.mcu)
    costs = Estimator(config.mcu, config.engine, CostTable.from_dict(read_json(artifacts.COST_TABLE)), budget)
    with Progress(transient=True) as progress:
        task = progress.add_task("Evaluating sub-networks", total=None)
        result = search(
            supernet, load_weights(artifacts.SUPERNET), splits,
            costs=costs, budget=budget, sparsity=config.sparsity, config=config.sparsenas, seed=config.seed,
            runtime=config.runtime,
            # Evaluations are stored by all that they depend on, so one store serves every setting of the search.
            store=artifacts.WORK / "sparsenas",
            on_metrics=stage.log,
            on_evaluated=lambda done, total: progress.update(task, completed=done, total=total),
        )  # fmt: skip
    write_json(artifacts.PARETO, result.to_dict())
    write_yaml(artifacts.SUBNET_SPEC, result.winner.genome.to_dict())
    return {"evaluations": len(result.evaluated), "front_size": len(result.front), **result.winner.figures()}


if __name__ == "__main__":
    run_stage("sparsenas", sparsenas)
