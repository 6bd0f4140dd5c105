"""Stage ``sparsenas``: the joint search of architecture and per-layer block sparsity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.progress import Progress

from tinyformer.data.splits import load_splits
from tinyformer.engine.cost_table import CostTable
from tinyformer.engine.estimator import Estimator
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
    costs = Estimator(config.mcu, config.engine, CostTable.from_dict(read_json(artifacts.COST_TABLE)))
    with Progress(transient=True) as progress:
        task = progress.add_task("Evaluating sub-networks", total=None)
        result = search(
            supernet, load_weights(artifacts.SUPERNET), splits,
            costs=costs, mcu=config.mcu, sparsity=config.sparsity, config=config.sparsenas, seed=config.seed,
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
