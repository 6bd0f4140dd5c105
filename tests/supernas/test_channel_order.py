# SPDX-License-Identifier: Apache-2.0
"""Channels sorted by importance: the same function, and the leading channels are those that count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tinyformer.nets.blocks import initialize
from tinyformer.nets.spec import StageSpec, SubnetSpec
from tinyformer.nets.subnet import Subnet
from tinyformer.nets.supernet_spec import (
    BottleneckChoices,
    ConvChoices,
    InvertedResidualChoices,
    ResidualChoices,
    SkipChoice,
    StageChoices,
    SupernetSpec,
    TransformerChoices,
)
from tinyformer.supernas.channel_order import sort_channels

KINDS = (
    BottleneckChoices((3,), (0.5, 1.0)),
    ConvChoices((1, 3)),
    InvertedResidualChoices((3,), (1, 2)),
    ResidualChoices((3,), (0.5, 1.0)),
)
TRANSFORMER = TransformerChoices((1, 2), (1, 2), (4, 8), (1.0, 2.0), (1, 2))
SPEC = SupernetSpec(
    8, 3, 10, "silu", (8, 12), 3, 1,
    (
        StageChoices((8, 12), 1, (KINDS, (*KINDS, SkipChoice()), (TRANSFORMER, SkipChoice()))),
        StageChoices((12, 16), 2, (KINDS, (*KINDS, SkipChoice()), (TRANSFORMER,)), ("maxpool", "stride")),
    ),
    (12, 16),
)  # fmt: skip


def network(spec: SubnetSpec, seed: int) -> Subnet:
    """With weights, norms and statistics of which no two are alike."""
    generator = torch.Generator().manual_seed(seed)
    subnet = Subnet(spec)
    initialize(subnet, generator)
    with torch.no_grad():
        for name, tensor in subnet.state_dict().items():
            if tensor.dim() == 1:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + ("weight" in name or "var" in name))
    return subnet.eval()


@pytest.mark.parametrize("seed", range(12))
def test_the_function_stays_the_same(seed: int) -> None:
    subnet = network(SPEC.sample(np.random.default_rng(seed)), seed)
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    before = {name: tensor.clone() for name, tensor in subnet.state_dict().items()}
    with torch.no_grad():
        expected = subnet(x)
        sort_channels(subnet)
        assert torch.allclose(subnet(x), expected, rtol=1e-3, atol=1e-4)
    assert any(not torch.equal(before[name], tensor) for name, tensor in subnet.state_dict().items())


def test_the_leading_channels_are_read_most() -> None:
    largest = SPEC.largest()
    stage = StageSpec(12, 2, largest.stages[1].blocks[:1])
    subnet = network(replace(largest, stages=(stage,), head_width=0), 0)
    sort_channels(subnet)
    read = subnet.classifier.weight.abs().sum(dim=0)
    assert torch.equal(read, read.sort(descending=True).values)


def test_what_is_sorted_stays_as_it_is() -> None:
    subnet = network(SPEC.largest(), 3)
    sort_channels(subnet)
    once = {name: tensor.clone() for name, tensor in subnet.state_dict().items()}
    sort_channels(subnet)
    assert all(torch.equal(once[name], tensor) for name, tensor in subnet.state_dict().items())
