"""SparseNAS: the best sub-network of a trained supernet for a microcontroller, and its block sparsity."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from tinyformer.budget import Budget
from tinyformer.config.mcu import McuConfig
from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.data.splits import Splits
from tinyformer.nets.supernet_spec import SupernetSpec
from tinyformer.sparsenas.evaluation import Evaluations
from tinyformer.sparsenas.evaluator import Evaluator
from tinyformer.sparsenas.evolution import CostModel, OnEvaluated, OnMetrics, SearchResult, evolve
from tinyformer.sparsenas.pool import make_pool
from tinyformer.sparsenas.store import EvaluationStore
from tinyformer.sparsenas.variation import Variation


def search(
    supernet: SupernetSpec,
    weights: Mapping[str, Tensor],
    splits: Splits,
    *,
    costs: CostModel,
    mcu: McuConfig,
    sparsity: SparsityConfig,
    config: SparseNasConfig,
    seed: int,
    store: Path | None = None,
    on_metrics: OnMetrics | None = None,
    on_evaluated: OnEvaluated | None = None,
) -> SearchResult:
    """Search the sub-networks of ``supernet`` with its trained ``weights`` (state dict) for the best within the limits.

    Accuracy is measured on the validation split; the test split is never touched. ``store`` is a directory that keeps
    evaluations, so that a search that was killed continues where it was. The result depends on the arguments alone, not
    on ``store``, the number of workers or interruptions.

    Raises :class:`TinyFormerError` where limits or sparsity target cannot be met, naming the smallest achievable value.
    """
    variation = Variation(supernet, sparsity, require_transformer=config.require_transformer)
    budget = Budget.of(config.limits, mcu)
    evaluator = Evaluator.of(supernet, weights, splits, config=config, sparsity=sparsity, seed=seed)
    with make_pool(evaluator, config) as pool:
        return evolve(
            variation,
            costs,
            budget,
            Evaluations(pool, EvaluationStore(store), evaluator.key),
            config=config,
            seed=seed,
            on_metrics=on_metrics,
            on_evaluated=on_evaluated,
        )
