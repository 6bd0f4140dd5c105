# SPDX-License-Identifier: Apache-2.0
"""SparseNAS: the best sub-network of a trained supernet for a microcontroller, and its block sparsity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from tinyformer.budget import Budget
from tinyformer.config.runtime import DEFAULT_RUNTIME, RuntimeConfig
from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.data.splits import Splits
from tinyformer.nets.supernet_spec import SupernetSpec
from tinyformer.sparsenas.evaluation import Evaluations
from tinyformer.sparsenas.evaluator import Evaluator
from tinyformer.sparsenas.evolution import CostModel, OnEvaluated, OnMetrics, SearchResult, evolve
from tinyformer.sparsenas.finalists import choose, pick_finalists
from tinyformer.sparsenas.objectives import Candidate
from tinyformer.sparsenas.pool import make_pool
from tinyformer.sparsenas.repair import BudgetRepair, Repair, TargetRepair
from tinyformer.sparsenas.store import EvaluationStore
from tinyformer.sparsenas.variation import Variation


def search(
    supernet: SupernetSpec,
    weights: Mapping[str, Tensor],
    splits: Splits,
    *,
    costs: CostModel,
    budget: Budget,
    sparsity: SparsityConfig,
    config: SparseNasConfig,
    seed: int,
    runtime: RuntimeConfig = DEFAULT_RUNTIME,
    store: Path | None = None,
    on_metrics: OnMetrics | None = None,
    on_evaluated: OnEvaluated | None = None,
) -> SearchResult:
    """Search the sub-networks of ``supernet`` with its trained ``weights`` (state dict) for the best within ``budget``.

    Accuracy is measured on the validation split; the test split is never touched. ``store`` is a directory that keeps
    evaluations, so that a search that was killed continues where it was. The result depends on the arguments alone, not
    on ``store``, ``runtime`` or interruptions.

    Raises :class:`TinyFormerError` where limits or sparsity target cannot be met, naming the smallest achievable value.
    """
    evaluator = Evaluator.of(supernet, weights, splits, config=config, sparsity=sparsity, seed=seed)
    repair: Repair = (
        BudgetRepair(sparsity, budget, costs.estimate, evaluator.pruning_loss(seed).increases)
        if sparsity.target == "auto"
        else TargetRepair(sparsity, sparsity.target)
    )
    variation = Variation(supernet, sparsity, repair, require_transformer=config.require_transformer)
    kept = EvaluationStore(store)
    with make_pool(evaluator, runtime) as pool:
        result = evolve(
            variation,
            costs,
            budget,
            Evaluations(pool, kept, evaluator.key),
            config=config,
            seed=seed,
            on_metrics=on_metrics,
            on_evaluated=on_evaluated,
        )

    def tune(candidates: Sequence[Candidate], epochs: float) -> list[float]:
        trainer = Evaluator.of_finalists(
            supernet, weights, splits, config=config, sparsity=sparsity, seed=seed, epochs=epochs
        )
        with make_pool(trainer, runtime) as pool:
            return list(Evaluations(pool, kept, trainer.key).accuracies([item.genome for item in candidates]))

    finalists = pick_finalists(result.evaluated, config.finalists, config.accuracy_band)
    if len(finalists) == 1:
        return result
    chosen, ordered = choose(
        finalists, tune, epochs=config.finalist_epochs, images=len(splits.val), slack=config.accuracy_slack
    )
    return replace(result, winner=chosen.candidate, finalists=tuple(ordered))
