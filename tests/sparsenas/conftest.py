# SPDX-License-Identifier: Apache-2.0
"""A small supernet with transformer choices, data that can be learned, and a cost model simple enough to predict."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.data.splits import Split
from tinyformer.engine.costs.estimator import Cost
from tinyformer.nets.plan_counts import total_blocks, zero_blocks
from tinyformer.nets.spec import SparsityPlan, SubnetSpec, weighted_layers
from tinyformer.nets.supernet import Supernet
from tinyformer.nets.supernet_spec import (
    ConvChoices,
    InvertedResidualChoices,
    SkipChoice,
    StageChoices,
    SupernetSpec,
    TransformerChoices,
)
from tinyformer.sparsenas.evaluator import Evaluator
from tinyformer.sparsenas.repair import TargetRepair
from tinyformer.sparsenas.variation import Variation

SUPERNET = SupernetSpec(
    image_size=8,
    channels=1,
    classes=4,
    activation="relu",
    stem_widths=(8, 12),
    stem_kernel=3,
    stem_stride=1,
    stages=(
        StageChoices(
            widths=(8, 16),
            stride=2,
            positions=(
                (ConvChoices((1, 3)), InvertedResidualChoices((3,), (2, 4))),
                (ConvChoices((3,)), SkipChoice()),
            ),
        ),
        StageChoices(
            widths=(16, 24),
            stride=2,
            positions=(
                (InvertedResidualChoices((3, 5), (2, 4)),),
                (TransformerChoices((1, 2), (1, 2), (4, 8), (1.0, 2.0), (1, 2)), SkipChoice()),
            ),
        ),
    ),
    head_widths=(0,),
)


class WeightCosts:
    """One byte of flash and one cycle a position for each kept weight; SRAM is the widest stage's first feature map."""

    def estimate(self, spec: SubnetSpec, plan: SparsityPlan) -> Cost:
        flash = cycles = 0
        for layer in weighted_layers(spec):
            kept = layer.weights
            if layer.name in plan:
                share = zero_blocks(layer.shape, plan[layer.name]) / total_blocks(layer.shape, plan[layer.name].block)
                kept = round(layer.weights * (1 - share))
            flash += kept
            cycles += kept * layer.positions
        sram = max(stage.width for stage in spec.stages) * 100
        return Cost(flash, sram, cycles, cycles / 1e6)


def targeted(
    sparsity: SparsityConfig, supernet: SupernetSpec = SUPERNET, *, require_transformer: bool = True
) -> Variation:
    """Variation under a sparsity target, that of ``sparsity``."""
    assert sparsity.target != "auto"
    return Variation(
        supernet, sparsity, TargetRepair(sparsity, sparsity.target), require_transformer=require_transformer
    )


@pytest.fixture(scope="session")
def supernet_spec() -> SupernetSpec:
    return SUPERNET


@pytest.fixture(scope="session")
def split() -> Split:
    """Four classes: which quadrant of an 8x8 image is bright."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=96)
    images = rng.integers(0, 100, size=(96, 8, 8, 1))
    for image, label in zip(images, labels, strict=True):
        image[4 * (label // 2) : 4 * (label // 2) + 4, 4 * (label % 2) : 4 * (label % 2) + 4] += 150
    return Split(images.astype(np.uint8), labels.astype(np.int64))


@pytest.fixture(scope="session")
def config() -> SparseNasConfig:
    return SparseNasConfig(population=6, generations=3, batch_size=32, recalibration_batches=2, patience=40)


@pytest.fixture(scope="session")
def evaluator(supernet_spec: SupernetSpec, split: Split, config: SparseNasConfig) -> Evaluator:
    torch.manual_seed(0)
    weights = Supernet(supernet_spec).state_dict()
    return Evaluator(supernet_spec, weights, split, split, config, SparsityConfig())
