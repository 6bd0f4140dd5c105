# SPDX-License-Identifier: Apache-2.0
"""Stage ``supernas``: the supernet whose sub-networks suit the microcontroller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import Progress

from tinyformer.budget import Budget
from tinyformer.data.splits import load_splits
from tinyformer.engine.costs.estimator import Estimator
from tinyformer.engine.costs.table import CostTable
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_json, write_json, write_yaml
from tinyformer.pipeline.stage import Stage, run_stage
from tinyformer.pipeline.supernet_trial import SupernetTrial
from tinyformer.supernas.given import given_supernet
from tinyformer.supernas.search import judge_given, search_supernet
from tinyformer.supernas.space import SupernetSpace


def supernas(stage: Stage) -> Mapping[str, Any]:
    """Write ``supernet.yaml`` and how every candidate scored; the metrics are the winner's figures."""
    config = stage.config
    splits = load_splits(artifacts.PROCESSED / config.data.name).without_test()
    budget = Budget.of(config.limits, config.mcu)
    costs = Estimator(config.mcu, config.engine, CostTable.from_dict(read_json(artifacts.COST_TABLE)), budget)
    image = splits.image_size, splits.channels, len(splits.classes)

    if config.network.spec is not None:
        given = given_supernet(config.network, *image)
        result = judge_given(config.network.name, given, costs.estimate, budget, config.supernas, config.seed)
    else:
        with Progress(transient=True) as progress:
            task = progress.add_task("Scoring supernets", total=None)
            trained = progress.add_task("Trying the best", total=None, visible=False)
            trial = SupernetTrial(
                splits, config.data, config.trainer, config.supernas, config.seed,
                config.runtime.model_copy(update={"progress_bar": False}),
                work=stage.checkpoints(),
                on_trained=lambda: progress.update(trained, advance=1, visible=True),
            )  # fmt: skip
            result = search_supernet(
                SupernetSpace(config.search_space, *image),
                costs.estimate,
                budget,
                config.supernas,
                config.seed,
                on_scored=lambda done, total: progress.update(task, completed=done, total=total),
                trial=trial,
            )
        if result.unbound:
            Console(stderr=True, soft_wrap=True, highlight=False).print(
                "No limit binds: every sub-network drawn keeps all of them unpruned, so that SuperNAS took the largest "
                "supernet. A larger search_space, or tighter limits, would make more of the microcontroller."
            )
    write_json(artifacts.SUPERNAS_SCORES, result.to_dict())
    write_yaml(artifacts.SUPERNET_SPEC, result.winner.spec.to_dict())
    return {"candidates": len(result.candidates), **_numbers(result.winner.figures())}


def _numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    """What of ``figures`` is a number: DVC metrics and tracking summaries hold no lists."""
    return {name: value for name, value in figures.items() if isinstance(value, int | float)}


if __name__ == "__main__":
    run_stage("supernas", supernas)
