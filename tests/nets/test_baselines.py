"""The published networks: their sizes are the publications', and their parts do what they say."""

from __future__ import annotations

import pytest
import torch

from tinyformer.nets.baselines import Baseline, MobileViTBlock, build_baseline


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # ResNet-18 for 32 x 32 pixels; torchvision's MobileNetV2 with 10 classes; MobileViT-XS has 2,317,848 parameters
        # with 1000 classes, whose classifier takes 384 + 1 parameters for each.
        ("resnet18", 11_173_962),
        ("mobilenetv2", 2_236_682),
        ("mobilevit_xs", 2_317_848 - 990 * 385),
    ],
)
def test_size_and_shapes(name: Baseline, parameters: int) -> None:
    network = build_baseline(name).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert network.features(torch.zeros(1, 3, 32, 32)).shape[2:] == (4, 4)  # type: ignore[operator]


def test_unfolding_gathers_equal_places_of_all_patches_and_folding_reverts_it() -> None:
    block = MobileViTBlock(8, 8, 1)
    x = torch.arange(2 * 8 * 4 * 6).reshape(2, 8, 4, 6)
    tokens = block._unfold(x, 2, 3)
    assert tokens.shape == (2 * 4, 6, 8)
    assert torch.equal(tokens[1], x[0, :, 0::2, 1::2].flatten(1).T)  # the top right pixels of the first image's patches
    assert torch.equal(block._fold(tokens, 2, 3), x)
