# SPDX-License-Identifier: Apache-2.0
"""The space of supernets: what its configuration allows, and the supernets it stands for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.supernas.spaces import CONFIG, space
from tinyformer.config.search_space import SearchSpaceConfig
from tinyformer.errors import TinyFormerError
from tinyformer.nets.spec import Skip, TransformerBlock, weighted_layers
from tinyformer.nets.supernet_spec import ConvChoices, SkipChoice, SupernetSpec, TransformerChoices
from tinyformer.supernas.space import SubnetworkCounts, SupernetSpace, load_space

SPACES = sorted((Path(__file__).parents[2] / "conf/search_space").glob("*.yaml"))


def test_every_genome_builds_a_supernet() -> None:
    supernets = space()
    genomes = list(supernets.all())
    assert len(genomes) == supernets.count() == len(set(genomes)) == 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2
    rng = np.random.default_rng(0)
    for genome in genomes:
        spec = supernets.build(genome)
        assert spec.contains(spec.sample(rng))


@pytest.mark.parametrize("stem", [[1], [1, 2], [4]])
def test_sub_networks_are_counted_without_building_every_supernet(stem: list[int]) -> None:
    supernets = space(stem={**CONFIG["stem"], "strides": stem})
    counts = [supernets.build(genome).count() for genome in supernets.all()]
    assert supernets.subnetworks() == SubnetworkCounts(max(counts), sum(counts))


def test_what_a_genome_stands_for() -> None:
    supernets = space()
    chosen = {
        "stem.widths": 8, "stem.strides": 1,
        "stages[0].widths": 8, "stages[0].strides": 2, "stages[0].convolutions": 2,
        "stages[0].kinds": ("conv", "mbconv"), "stages[0].transformers": 0,
        "stages[1].widths": 16, "stages[1].strides": 1, "stages[1].convolutions": 1, "stages[1].kinds": ("mbconv",),
        "stages[1].transformers": 1,
        "head_widths": 32,
    }  # fmt: skip
    genome = tuple(gene.values.index(chosen[gene.name]) for gene in supernets.genes)
    assert supernets.choices(genome) == chosen
    spec = supernets.build(genome)
    assert (spec.image_size, spec.channels, spec.classes) == (12, 1, 3)
    assert spec.stem_widths == (4, 8)
    assert spec.head_widths == (16, 32)
    assert [stage.widths for stage in spec.stages] == [(4, 8), (8, 16)]
    first, second = spec.stages[0].positions
    assert [choices.kind for choices in first] == ["conv", "mbconv"]
    assert [choices.kind for choices in second] == ["conv", "mbconv", "skip"]
    (transformer,) = spec.stages[1].positions[1]
    assert isinstance(transformer, TransformerChoices)
    assert transformer.pools == (2,)  # 4 does not divide the 6 x 6 feature map


def test_the_wide_space_holds_a_million_million_networks_that_fill_the_flash_when_sparse() -> None:
    config = load_space(next(path for path in SPACES if path.stem == "cifar10_wide"))
    spec = largest_supernet(SupernetSpace(config, image_size=32, channels=3, classes=10))
    assert spec.count() >= 10**12
    assert 3e6 <= sum(layer.weights for layer in weighted_layers(spec.largest())) <= 6e6
    assert spec.feature_sizes() == [16, 8, 4]
    assert all(spec.sample(np.random.default_rng(seed)).has_transformer for seed in range(10))


def test_choices_of_a_stage_go_before_those_of_the_space() -> None:
    stages = [{**stage} for stage in CONFIG["stages"]]
    stages[0] |= {"blocks": {"conv": {"kernels": [5]}}, "strides": [2], "downsample": ["stride", "maxpool"]}
    config = SearchSpaceConfig.model_validate({**CONFIG, "stages": stages})
    spec = largest_supernet(SupernetSpace(config, image_size=12, channels=1, classes=3))
    assert ConvChoices((5,)) in spec.stages[0].positions[0]
    assert spec.stages[0].downsamples == ("maxpool", "stride")
    odd = largest_supernet(SupernetSpace(config, image_size=9, channels=1, classes=3))
    assert odd.stages[0].downsamples == ("stride",)


def largest_supernet(supernets: SupernetSpace) -> SupernetSpec:
    return supernets.build(tuple(len(gene.values) - 1 for gene in supernets.genes))


def test_nothing_is_pooled_where_no_factor_divides_the_feature_map() -> None:
    stage = largest_supernet(space(stem={**CONFIG["stem"], "strides": [4]})).stages[1]  # a 1 x 1 feature map
    (transformer,) = stage.positions[1]
    assert isinstance(transformer, TransformerChoices)
    assert transformer.pools == (1,)


def test_transformers_may_be_optional() -> None:
    spec = largest_supernet(space(optional_transformers=True))
    assert SkipChoice() in spec.stages[1].positions[1]
    assert isinstance(spec.smallest().stages[1].blocks[1], Skip)
    assert isinstance(spec.largest().stages[1].blocks[1], TransformerBlock)


def test_variation_stays_in_the_space() -> None:
    supernets = space()
    rng = np.random.default_rng(0)
    a, b = supernets.sample(rng), supernets.sample(rng)
    everything = set(supernets.all())
    assert supernets.mutate(a, rng, 0.0) == a
    for _ in range(50):
        assert supernets.mutate(a, rng, 0.5) in everything
        child = supernets.crossover(a, b, rng)
        assert all(gene in pair for gene, pair in zip(child, zip(a, b, strict=True), strict=True))


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
@pytest.mark.parametrize("image_size", [16, 32, 28])
def test_the_published_spaces_build(path: Path, image_size: int) -> None:
    supernets = SupernetSpace(load_space(path), image_size, channels=3, classes=10)
    rng = np.random.default_rng(0)
    for _ in range(20):
        spec = supernets.build(supernets.sample(rng))
        assert spec.contains(spec.largest())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width_ratios": [0.5]}, "must end in 1.0"),
        ({"width_ratios": []}, "at least one choice is needed"),
        ({"stem": {"widths": [6], "strides": [1]}}, "the width 6 is not a multiple of 4"),
        ({"stem": {"widths": [8, 4], "strides": [1]}}, "must be in ascending order"),
        ({"stem": {"widths": [8], "strides": [1], "kernel": 4}}, "the kernel size 4 is even"),
        ({"blocks": {"conv": {"kernels": [3]}}}, "uses mbconv blocks, but blocks.mbconv"),
        ({"stages": []}, "at least 1 item"),
        ({"head_widths": [30]}, "the head width 30 is not a multiple of 4"),
        ({"activation": "tanh"}, "'relu', 'relu6', 'hardswish' or 'silu'"),
        ({"colour": 1}, "Extra inputs are not permitted"),
    ],
)
def test_impossible_spaces_are_explained(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        space(**changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is wrong at 'the file'"),
        ("stages: [", "is not valid YAML"),
        ("activation: relu\nwidth_ratios: [0.5]", "is wrong at 'stem'"),
    ],
)
def test_files_that_describe_no_space_are_explained(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TinyFormerError, match=message):
        load_space(path)
    with pytest.raises(TinyFormerError, match="Cannot read"):
        load_space(tmp_path / "missing.yaml")
