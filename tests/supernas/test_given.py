# SPDX-License-Identifier: Apache-2.0
"""Networks that are given instead of searched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch
from torch import nn

from tests.nets.kinds import examples
from tests.supernas.spaces import NO_LIMITS, estimate, settings
from tinyformer.config.compose import compose
from tinyformer.config.network import NetworkConfig
from tinyformer.errors import TinyFormerError
from tinyformer.nets.blocks import ConvUnit, register_kind
from tinyformer.nets.kinds import KINDS
from tinyformer.nets.kinds.base import Block, Choices, Feature, NetworkBuilder, Place
from tinyformer.nets.spec import weighted_layers
from tinyformer.nets.subnet import Subnet
from tinyformer.supernas.given import given_supernet
from tinyformer.supernas.search import judge_given

CONF = Path(__file__).parents[2] / "conf"


def config(name: str) -> NetworkConfig:
    return compose(CONF, [f"network={name}"]).config.network


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # ResNet-18 for 32 x 32 pixels; torchvision's MobileNetV2 with 10 classes
        ("resnet18", 11_173_962),
        ("mobilenetv2", 2_236_682),
        # 2,317,848 with 1000 classes, whose classifier takes 384 + 1 parameters for each; the layers that embed tokens
        # have biases here, and the last convolutions two BatchNorms each
        ("mobilevit_xs", 2_317_848 - 990 * 385 + 360 + 2 * 240),
    ],
)
def test_published_networks_have_the_published_size(name: str, parameters: int) -> None:
    spec = given_supernet(config(name), 32, 3, 10).largest()
    network = Subnet(spec).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert list(spec.walk())[-1].after == 4


@pytest.mark.parametrize("path", sorted((CONF / "network").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_given_network_is_a_supernet_of_one(path: Path) -> None:
    network = config(path.stem)
    if network.spec is None:
        return
    supernet = given_supernet(network, 16, 1, 10)
    assert supernet.count() == 1
    assert supernet.largest() == supernet.smallest()
    result = judge_given(network.name, supernet, estimate, NO_LIMITS, settings(), seed=0)
    assert result.winner.spec == supernet and result.winner.choices == {"network": network.name}


@pytest.mark.parametrize("kind", KINDS)
def test_choices_of_one_block_hold_it_alone(kind: str) -> None:
    for block in examples(kind):
        only = KINDS[kind].only(block)
        assert only.block(**{name: value for name, (value,) in only.domains().items()}) == block


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"kind": "spiral"}, "is of kind 'spiral': choose one of conv, mbconv"),
        ({"kernel": 3}, "is of kind None"),
        ({"kind": "conv"}, "describes no network"),
        ({"kind": "conv", "kernel": 3, "size": 1}, "describes no network"),
        ({"kind": "conv", "kernel": "three"}, "describes no network"),
        ({"kind": "conv", "kernel": 2}, "2 is not an odd number"),
        ({"kind": "skip"}, "first of its stage"),
    ],
)
def test_impossible_networks_are_explained(block: dict[str, Any], message: str) -> None:
    stage = {"width": 16, "blocks": [block]}
    network = NetworkConfig.model_validate(
        {"name": "mine", "spec": {"activation": "relu", "stem_width": 8, "stages": [stage]}}
    )
    with pytest.raises(TinyFormerError, match=message):
        given_supernet(network, 16, 1, 10)


@dataclass(frozen=True)
class PlainBlock(Block):
    """A user's block: a convolution without residual."""

    kernel: int
    kind: Literal["plain"] = "plain"

    def build(self, net: NetworkBuilder, x: Feature, place: Place) -> Feature:
        return net.conv(f"{place.prefix}.conv", x, place.outputs, self.kernel, place.stride)


@dataclass(frozen=True)
class PlainChoices(Choices):
    kernels: tuple[int, ...]
    kind: Literal["plain"] = "plain"
    block: ClassVar[type[Block]] = PlainBlock

    def domains(self) -> dict[str, tuple[Any, ...]]:
        return {"kernel": self.kernels}


def _module(block: PlainBlock, place: Place, activation: Any) -> nn.Module:
    return ConvUnit(place.inputs, place.outputs, block.kernel, place.stride, activation=activation)


def test_kinds_of_ones_own_are_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "plain", PlainChoices)  # so that it is gone afterwards
    register_kind(PlainChoices, _module)
    network = NetworkConfig.model_validate(
        {
            "name": "mine",
            "spec": {
                "activation": "relu",
                "stem_width": 8,
                "stages": [{"width": 16, "stride": 2, "blocks": [{"kind": "plain", "kernel": 3}]}],
            },
        }
    )
    spec = given_supernet(network, 16, 1, 10).largest()
    assert [layer.shape for layer in weighted_layers(spec)][1] == (16, 8, 3, 3)
    assert Subnet(spec)(torch.zeros(2, 1, 16, 16)).shape == (2, 10)
