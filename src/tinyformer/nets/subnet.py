# SPDX-License-Identifier: Apache-2.0
"""A single-path network as a torch module, and the recalibration of its BatchNorm statistics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from tinyformer.nets.blocks import ConvUnit, build_block
from tinyformer.nets.spec import Activation, Place, SubnetSpec


class Stage(nn.Module):
    """Blocks in sequence, behind the max pool of the first, if any; their parameters are ``blocks.<j>.*``."""

    def __init__(self, places: Sequence[Place], activation: Activation) -> None:
        super().__init__()
        pooling = places[0].pooling
        self.pool = nn.MaxPool2d(pooling) if pooling > 1 else nn.Identity()
        self.blocks = nn.Sequential(*(build_block(place, activation) for place in places))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, width, H / stride, W / stride), rounded up."""
        y: Tensor = self.blocks(self.pool(x))
        return y


class Subnet(nn.Module):
    """The network that ``spec`` describes; parameter prefixes are the names of ``spec.weighted_layers``."""

    def __init__(self, spec: SubnetSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = ConvUnit(
            spec.channels, spec.stem_width, spec.stem_kernel, spec.stem_stride, activation=spec.activation
        )
        stages = groupby(spec.walk(), key=lambda place: place.stage)
        self.stages = nn.Sequential(*(Stage(list(places), spec.activation) for _, places in stages))
        width = spec.stages[-1].width if spec.stages else spec.stem_width
        self.head = (
            ConvUnit(width, spec.head_width, 1, 1, activation=spec.activation) if spec.head_width else nn.Identity()
        )
        self.classifier = nn.Linear(spec.head_width or width, spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, channels, image_size, image_size) -> logits (N, classes)."""
        features = self.head(self.stages(self.stem(x)))
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits


@torch.no_grad()
def recalibrate_batchnorm(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace every BatchNorm's running statistics by their average over ``batches`` of images (N, C, H, W).

    A path's statistics in a supernet are a blend of all paths', useless for it alone (Yu and Huang, arXiv
    1903.05134). The model's mode is left as it was; weights do not change. With no batches the statistics become mean
    0 and variance 1.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    modes = {module: module.training for module in model.modules()}
    momenta = {norm: norm.momentum for norm in norms}
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    model.eval()
    for norm in norms:
        norm.train()
    for images in batches:
        model(images)
    for module, mode in modes.items():
        module.training = mode
    for norm, momentum in momenta.items():
        norm.momentum = momentum
