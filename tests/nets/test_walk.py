# SPDX-License-Identifier: Apache-2.0
"""The walk over a network's blocks knows what the modules do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nets.kinds import examples
from tests.nets.spaces import supernet_specs
from tinyformer.nets.blocks import build_block
from tinyformer.nets.kinds import KINDS
from tinyformer.nets.spec import Place, SubnetSpec
from tinyformer.nets.subnet import Subnet
from tinyformer.nets.supernet_spec import SupernetSpec


@given(supernet_specs(), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_places_have_the_shapes_that_blocks_see(space: SupernetSpec, seed: int) -> None:
    spec = space.sample(np.random.default_rng(seed))
    subnet, seen = Subnet(spec).eval(), {}
    for name, module in subnet.named_modules():
        module.register_forward_hook(
            lambda _module, inputs, output, name=name: seen.update({name: (inputs[0].shape[1:], output.shape[1:])})
        )
    subnet(torch.zeros(1, spec.channels, spec.image_size, spec.image_size))
    places = list(spec.walk())
    assert [place.block for place in places] == [block for stage in spec.stages for block in stage.blocks]
    for place in places:
        assert place.pooling == 1 or place.stride == 1
        before, after = (place.inputs, place.before, place.before), (place.outputs, place.after, place.after)
        assert seen[place.prefix] == (before, after)


def test_kinds_are_listed_under_their_names() -> None:
    assert {kind: choices.kind for kind, choices in KINDS.items()} == {kind: kind for kind in KINDS}
    assert {kind: choices.block.kind for kind, choices in KINDS.items()} == {kind: kind for kind in KINDS}


def test_a_description_without_the_way_to_down_sample_strides() -> None:
    spec = SubnetSpec.from_dict(
        {
            **{"image_size": 8, "channels": 1, "classes": 2, "activation": "relu", "stem_width": 4, "stem_kernel": 3},
            **{"stem_stride": 1, "head_width": 0},
            "stages": [{"width": 8, "stride": 2, "blocks": [{"kind": "conv", "kernel": 3}]}],
        }
    )
    (place,) = spec.walk()
    assert (place.stride, place.pooling, place.before, place.after) == (2, 1, 8, 4)


def test_kinds_share_no_layer_names() -> None:
    """A supernet keeps the parameters of all kinds at one position side by side."""
    owners: dict[str, str] = {}
    for kind in KINDS:
        for block in examples(kind):
            module = build_block(Place(0, 0, block, 4, 8, 1, 1, 8, 8), "relu")
            for name in {name.split(".")[0] for name, _ in module.named_parameters()}:
                assert owners.setdefault(name, kind) == kind


def test_the_documentation_names_every_kind() -> None:
    text = (Path(__file__).parents[2] / "docs/search_space.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"\n| `{kind}` |" not in text] == []
