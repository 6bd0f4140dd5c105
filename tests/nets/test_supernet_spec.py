# SPDX-License-Identifier: Apache-2.0
"""What a supernet may be, and the sub-networks it yields."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nets.spaces import supernet_specs
from tinyformer.errors import TinyFormerError
from tinyformer.nets.spec import Skip, SubnetSpec, TransformerBlock, weighted_layers
from tinyformer.nets.supernet_spec import (
    ConvChoices,
    InvertedResidualChoices,
    SkipChoice,
    StageChoices,
    SupernetSpec,
    TransformerChoices,
)

CONV = ConvChoices((3,))
TRANSFORMER = TransformerChoices((1,), (2,), (8,), (2.0,), (1, 2))
SMALL = SupernetSpec(16, 1, 10, "relu", (8,), 3, 2, (StageChoices((8, 16), 1, ((CONV,), (TRANSFORMER,))),))
SEEDS = st.integers(0, 2**32 - 1)


def macs(spec: SubnetSpec) -> int:
    return sum(layer.macs for layer in weighted_layers(spec))


@given(supernet_specs(), SEEDS)
@settings(max_examples=60, deadline=None)
def test_every_way_to_make_a_subnet_stays_inside(space: SupernetSpec, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = space.sample(rng), space.sample(rng)
    for spec in (a, b, space.mutate(a, rng, 0.5), space.crossover(a, b, rng), space.largest(), space.smallest()):
        assert space.contains(spec)
        assert macs(space.smallest()) <= macs(spec) <= macs(space.largest())
        assert SubnetSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
        for stage in spec.stages:
            assert not isinstance(stage.blocks[0], TransformerBlock | Skip)


@given(supernet_specs())
@settings(max_examples=30, deadline=None)
def test_survives_yaml(space: SupernetSpec) -> None:
    assert SupernetSpec.from_dict(yaml.safe_load(yaml.safe_dump(space.to_dict()))) == space


def test_draws_depend_on_the_generator_alone() -> None:
    def draws(seed: int) -> list[SubnetSpec]:
        rng = np.random.default_rng(seed)
        return [SMALL.sample(rng) for _ in range(10)]

    assert draws(3) == draws(3)
    assert draws(3) != draws(4)


def test_count_is_the_number_of_distinct_samples() -> None:
    rng = np.random.default_rng(0)
    position = (CONV, InvertedResidualChoices((3, 5), (2,)), SkipChoice())
    space = replace(SMALL, stages=(StageChoices((8, 16), 1, ((CONV,), position)),))
    assert len({space.sample(rng) for _ in range(400)}) == space.count() == 2 * 4


def test_mutation_rate_bounds_change() -> None:
    rng = np.random.default_rng(0)
    spec = SMALL.sample(rng)
    assert SMALL.mutate(spec, rng, 0.0) == spec
    assert len({SMALL.mutate(spec, rng, 1.0) for _ in range(50)}) > 1


@pytest.mark.parametrize(
    "change",
    [
        {"image_size": 32},
        {"activation": "silu"},
        {"stem_width": 12},
        {"head_width": 4},
        {"stages": ()},
    ],
)
def test_a_foreign_subnet_is_not_contained(change: dict[str, Any]) -> None:
    assert not SMALL.contains(replace(SMALL.largest(), **change))


def test_a_block_outside_the_choices_is_not_contained() -> None:
    spec = SMALL.largest()
    (stage,) = spec.stages
    other = replace(stage, blocks=(stage.blocks[0], TransformerBlock(1, 4, 8, 2.0, 1)))
    assert not SMALL.contains(replace(spec, stages=(other,)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(SMALL, stages=(StageChoices((16,), 1, ((TRANSFORMER,),)),)), "first of its stage"),
        (lambda: replace(SMALL, stages=(StageChoices((8,), 2, ((CONV, SkipChoice()),)),)), "first of its stage"),
        (lambda: replace(SMALL, image_size=14), "2 does not divide the 7 x 7 feature map"),
        (lambda: replace(SMALL, stem_widths=(6,)), "6 is not a multiple of 4"),
        (lambda: replace(SMALL, stem_widths=(16, 8)), "not in ascending order"),
        (lambda: replace(SMALL, stem_kernel=4), "4 is not an odd number"),
        (lambda: replace(SMALL, head_widths=(0, 8)), "0 is not positive"),
        (lambda: replace(SMALL, stages=()), "no stage"),
        (lambda: replace(SMALL, stages=(StageChoices((8,), 0, ((CONV,),)),)), "stride is 0"),
        (lambda: replace(SMALL, stages=(StageChoices((8,), 1, ()),)), "no position"),
        (lambda: replace(SMALL, stages=(StageChoices((8,), 1, ((CONV, CONV),)),)), "each once"),
        (lambda: replace(SMALL, stages=(StageChoices((8,), 1, ((ConvChoices(()),),)),)), "offers no choice"),
        (lambda: replace(SMALL, stages=(StageChoices((8,), 1, ((CONV,),), ()),)), "downsamples must be"),
        (lambda: replace(SMALL, image_size=14, stages=(StageChoices((8,), 2, ((CONV,),), ("maxpool",)),)), "7 x 7"),
        (lambda: replace(SMALL, classes=1), "at least 2"),
        (lambda: SupernetSpec.from_dict({"image_size": 3}), "not the description of a supernet"),
        (lambda: SupernetSpec.from_dict({**SMALL.to_dict(), "extra": 1}), "not the description of a supernet"),
    ],
)
def test_impossible_supernets_are_explained(make: Callable[[], SupernetSpec], message: str) -> None:
    with pytest.raises(TinyFormerError, match=message):
        make()
