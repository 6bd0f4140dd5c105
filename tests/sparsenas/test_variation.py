# SPDX-License-Identifier: Apache-2.0
"""Genomes: identity, and the promises that every variation keeps."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyformer.config.sparsity import SparsityConfig
from tinyformer.errors import TinyFormerError
from tinyformer.nets.spec import LayerSparsity, weighted_layers
from tinyformer.nets.supernet_spec import ConvChoices, StageChoices, SupernetSpec
from tinyformer.sparsenas.genome import Genome

from .conftest import SUPERNET, targeted

SPARSITY = SparsityConfig(target=0.6, block_shapes=((2, 2), (2, 4)), ratios=(0.0, 0.3, 0.6, 0.9))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_every_variation_reaches_the_target_within_the_bounds(seed):
    rng = np.random.default_rng(seed)
    variation = targeted(SPARSITY)
    a, b = variation.sample(rng), variation.sample(rng)
    for genome in (a, b, variation.mutate(a, rng, 0.3), variation.crossover(a, b, rng)):
        assert SUPERNET.contains(genome.subnet)
        assert genome.subnet.has_transformer
        assert genome.block_sparsity >= SPARSITY.target
        prunable = {layer.name for layer in weighted_layers(genome.subnet) if layer.prunable}
        assert set(genome.plan) <= prunable
        assert all(layer.ratio in SPARSITY.ratios for layer in genome.plan.values())
        assert all(layer.block in SPARSITY.block_shapes for layer in genome.plan.values())


def test_mutation_keeps_most_genes():
    rng = np.random.default_rng(0)
    variation = targeted(SPARSITY)
    parent = variation.sample(rng)
    same = [variation.mutate(parent, rng, 1e-9) for _ in range(5)]
    assert all(child == parent for child in same)
    assert any(variation.mutate(parent, rng, 0.5) != parent for _ in range(5))


def test_crossover_of_a_genome_with_itself_changes_nothing():
    rng = np.random.default_rng(1)
    variation = targeted(SPARSITY, require_transformer=False)
    genome = variation.sample(rng)
    assert variation.crossover(genome, genome, rng) == genome


def test_layers_kept_dense_are_never_pruned_and_the_others_make_up_for_them():
    sparsity = SPARSITY.model_copy(update={"dense_layers": ("*.project",)})
    variation = targeted(sparsity)
    genome = variation.sample(np.random.default_rng(0))
    assert not any(name.endswith(".project") for name in genome.plan)
    assert genome.block_sparsity >= sparsity.target


def test_unreachable_target_is_explained():
    sparsity = SparsityConfig(target=0.85, ratios=(0.0, 0.9), dense_layers=("stages.*",))
    with pytest.raises(TinyFormerError, match=r"sparsity\.target 0\.85 is out of reach"):
        targeted(sparsity).sample(np.random.default_rng(0))


def test_transformer_required_of_a_supernet_without_one():
    stages = (StageChoices((8,), 1, ((ConvChoices((3,)),),)),)
    plain = SupernetSpec(8, 1, 4, "relu", (8,), 3, 1, stages)
    with pytest.raises(TinyFormerError, match="no transformer block"):
        targeted(SPARSITY, plain)
    assert (
        not targeted(SPARSITY, plain, require_transformer=False).sample(np.random.default_rng(0)).subnet.has_transformer
    )


def test_smallest_genomes_have_the_transformer_and_the_largest_ratio():
    genomes = targeted(SPARSITY).smallest()
    assert genomes and all(genome.subnet.has_transformer for genome in genomes)
    assert all(layer.ratio == 0.9 for genome in genomes for layer in genome.plan.values())


def test_genome_survives_json_and_its_digest_is_canonical():
    genome = targeted(SPARSITY).sample(np.random.default_rng(3))
    again = Genome.from_dict(json.loads(json.dumps(genome.to_dict(), sort_keys=True)))
    assert again == genome
    assert again.digest() == genome.digest()
    dense = {name: LayerSparsity((2, 2), 0.0) for name in genome.plan}
    assert Genome.of(genome.subnet, dense).digest() == Genome.of(genome.subnet, {}).digest() != genome.digest()
