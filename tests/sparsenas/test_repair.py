# SPDX-License-Identifier: Apache-2.0
"""Sparsity from the budget: as little as the limits ask for, where it is estimated to hurt least."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tinyformer.budget import Budget
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.nets.plan_counts import planned_sparsity
from tinyformer.nets.pruning import apply_masks, make_masks
from tinyformer.nets.spec import LayerSparsity
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.sparsenas.pruning_loss import PruningLoss
from tinyformer.sparsenas.repair import BudgetRepair, sparse_layers
from tinyformer.sparsenas.variation import Variation

from .conftest import SUPERNET, WeightCosts

SPARSITY = SparsityConfig(target="auto", block_shapes=((2, 2), (4, 4)), ratios=(0.0, 0.2, 0.4, 0.6, 0.8, 0.9))
RNG = np.random.default_rng(0)
COSTS = WeightCosts()
SUBNET = SUPERNET.largest()
LAYERS = sparse_layers(SUBNET, SPARSITY)
DENSE = {layer.name: LayerSparsity((2, 2), 0.0) for layer in LAYERS}
WHOLE = COSTS.estimate(SUBNET, {})


def repair(budget: Budget, weight=lambda layer: 1.0) -> BudgetRepair:
    """Losses that grow with the square of the ratio, times ``weight`` of the layer."""
    return BudgetRepair(
        SPARSITY, budget, COSTS.estimate, lambda _, layer, block: [weight(layer) * r**2 for r in SPARSITY.ratios]
    )


@pytest.mark.parametrize("start", [0.0, 0.4, 0.9])
def test_nothing_is_pruned_where_nothing_binds(start):
    plan = {name: replace(layer, ratio=start) for name, layer in DENSE.items()}
    found = repair(Budget({"flash_bytes": 2.0 * WHOLE.flash_bytes}))(SUBNET, plan, RNG)
    assert all(layer.ratio == 0 for layer in found.values())


@pytest.mark.parametrize("limit", ["flash_bytes", "latency_ms"])
@pytest.mark.parametrize("share", [0.9, 0.6, 0.4])
@pytest.mark.parametrize("start", [0.0, 0.9])
def test_a_limit_is_kept_with_little_room_left(limit, share, start):
    allowed = share * getattr(WHOLE, limit)
    plan = {name: replace(layer, ratio=start) for name, layer in DENSE.items()}
    found = repair(Budget({limit: allowed}))(SUBNET, plan, RNG)
    used = getattr(COSTS.estimate(SUBNET, found), limit)
    assert 0.85 * allowed < used <= allowed


def test_layers_that_matter_stay_and_what_binds_decides_where_it_is_taken():
    first, last = LAYERS[0].name, LAYERS[-1].name
    budget = Budget({"flash_bytes": 0.6 * WHOLE.flash_bytes})
    spared = repair(budget, lambda layer: 1e6 if layer.name == last else 1.0)(SUBNET, DENSE, RNG)
    assert spared[last].ratio == 0 < max(layer.ratio for layer in spared.values())
    for_time = repair(Budget({"latency_ms": 0.7 * WHOLE.latency_ms}))(SUBNET, DENSE, RNG)
    for_room = repair(Budget({"flash_bytes": 0.7 * WHOLE.flash_bytes}))(SUBNET, DENSE, RNG)
    assert for_time[first].ratio > for_room[first].ratio


def test_settled_layers_keep_their_ratio_as_long_as_others_can_give():
    name = LAYERS[2].name
    plan = {**DENSE, name: LayerSparsity((2, 2), 0.8)}
    loose, mild, harsh = (repair(Budget({"flash_bytes": share * WHOLE.flash_bytes})) for share in (1.0, 0.8, 0.25))
    assert loose(SUBNET, plan, RNG)[name].ratio == 0
    assert loose(SUBNET, plan, RNG, settled={name})[name].ratio == 0.8
    assert mild(SUBNET, DENSE, RNG)[name].ratio > 0
    assert mild(SUBNET, DENSE, RNG, settled={name})[name].ratio == 0
    assert harsh(SUBNET, DENSE, RNG, settled={name})[name].ratio > 0


def test_what_cannot_fit_is_as_sparse_as_it_may_be():
    found = repair(Budget({"flash_bytes": 1.0}))(SUBNET, DENSE, RNG)
    assert all(layer.ratio == 0.9 for layer in found.values())


def test_variations_use_every_block_shape_and_keep_the_budget():
    budget = Budget({"flash_bytes": 0.3 * WHOLE.flash_bytes})
    variation = Variation(SUPERNET, SPARSITY, repair(budget), require_transformer=True)
    rng = np.random.default_rng(1)
    population = [variation.sample(rng) for _ in range(6)]
    children = [variation.mutate(variation.crossover(a, b, rng), rng, 0.3) for a in population for b in population]
    for genome in (*population, *children):
        assert budget.violation(COSTS.estimate(genome.subnet, genome.plan)) == 0
    assert {layer.block for genome in children for layer in genome.plan.values()} == set(SPARSITY.block_shapes)
    assert len({round(genome.block_sparsity, 2) for genome in children}) > 1


def test_estimated_losses_order_layers_as_measured_ones_do(split):
    """On a supernet whose first layers matter and whose later ones were made idle."""
    torch.manual_seed(0)
    supernet = Supernet(SUPERNET).eval()
    images = torch.randn(256, 1, 8, 8)
    labels = torch.randint(4, (256,))
    idle = next(layer for layer in LAYERS if layer.name.endswith(".fc2"))
    with torch.no_grad():
        supernet.get_parameter(f"{idle.name}.weight").mul_(1e-3)
    losses = PruningLoss(supernet, images, labels, SPARSITY, seed=0)
    curves = {layer.name: losses.increases(SUBNET, layer, (2, 2)) for layer in LAYERS}
    for curve in curves.values():
        assert len(curve) == len(SPARSITY.ratios)
        assert curve[0] == 0 and list(curve) == sorted(curve)
    assert curves[idle.name][-1] < min(curve[-1] for name, curve in curves.items() if name != idle.name)
    again = PruningLoss(supernet, images, labels, SPARSITY, seed=0)
    assert again.increases(SUBNET, idle, (2, 2)) == curves[idle.name]
    assert planned_sparsity(SUBNET, DENSE) == 0
    network = extract(supernet, SUBNET)
    with torch.no_grad():
        before = network(images)
        masks = make_masks(network.state_dict(), {idle.name: LayerSparsity((2, 2), 0.9)}, "l2")
        apply_masks(network, masks)
        assert (network(images) - before).abs().max() < 0.05 * before.std()
