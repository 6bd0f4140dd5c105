# SPDX-License-Identifier: Apache-2.0
"""Small networks that use every block, with weights and statistics worth exporting."""

from __future__ import annotations

import torch
from torch import nn

from tinyformer.ir.pixels import PIXELS
from tinyformer.nets.spec import (
    Activation,
    BottleneckBlock,
    ConvBlock,
    InvertedResidual,
    ResidualBlock,
    Skip,
    StageSpec,
    SubnetSpec,
    TransformerBlock,
)
from tinyformer.nets.subnet import Subnet


def every_block(activation: Activation = "relu6", head_width: int = 32) -> SubnetSpec:
    """16x16 grey images, all kinds of blocks, with and without residuals, strides, pooling of keys and a head."""
    return SubnetSpec(
        image_size=16,
        channels=1,
        classes=10,
        activation=activation,
        stem_width=8,
        stem_kernel=3,
        stem_stride=1,
        stages=(
            StageSpec(16, 2, (InvertedResidual(3, 4), InvertedResidual(5, 2), Skip(), ConvBlock(3))),
            StageSpec(24, 2, (InvertedResidual(3, 1), TransformerBlock(2, 2, 8, 2.0, 2))),
            StageSpec(20, 1, (ConvBlock(3), TransformerBlock(1, 1, 12, 1.5, 1))),
        ),
        head_width=head_width,
    )


def random_subnet(spec: SubnetSpec, seed: int = 0) -> Subnet:
    """A network in evaluation mode whose BatchNorms and LayerNorms are no identities."""
    torch.manual_seed(seed)
    subnet = Subnet(spec)
    for module in subnet.modules():
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return subnet.eval()


def random_images(count: int, spec: SubnetSpec, seed: int = 1) -> torch.Tensor:
    """Images as the network sees them: multiples of 1/128 in [-1, 1), (N, C, H, W), smooth enough to differ from
    noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, spec.channels, 4, 4, generator=generator)
    images = nn.functional.interpolate(coarse, size=spec.image_size, mode="bilinear")
    return (images * 255).round().sub(PIXELS.offset).mul(PIXELS.scale)


def residual_hybrid(activation: Activation = "relu") -> SubnetSpec:
    """16x16 grey images, residual and bottleneck blocks, pooled and strided stages, encoders behind them."""
    return SubnetSpec(
        image_size=16,
        channels=1,
        classes=10,
        activation=activation,
        stem_width=8,
        stem_kernel=3,
        stem_stride=1,
        stages=(
            StageSpec(
                16, 2, (ResidualBlock(3, 0.5), ResidualBlock(3, 1.0), TransformerBlock(1, 2, 8, 1.0, 2)), "maxpool"
            ),
            StageSpec(24, 2, (BottleneckBlock(3, 0.5), BottleneckBlock(3, 0.25), TransformerBlock(1, 2, 8, 2.0, 1))),
        ),
        head_width=0,
    )
