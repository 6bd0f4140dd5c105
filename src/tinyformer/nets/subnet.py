"""A single-path network as a torch module, and the recalibration of its BatchNorm statistics."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tinyformer.nets.blocks import ConvUnit, build_block
from tinyformer.nets.spec import Activation, StageSpec, SubnetSpec


class Stage(nn.Module):
    """Blocks in sequence; their parameters are ``blocks.<j>.*``."""

    def __init__(self, inputs: int, stage: StageSpec, activation: Activation) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                build_block(
                    block,
                    inputs=inputs if j == 0 else stage.width,
                    outputs=stage.width,
                    stride=stage.stride if j == 0 else 1,
                    activation=activation,
                )
                for j, block in enumerate(stage.blocks)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, width, ceil(H / stride), ceil(W / stride))."""
        return self.blocks(x)


class Subnet(nn.Module):
    """The network that ``spec`` describes; parameter prefixes are the names of ``spec.weighted_layers``."""

    def __init__(self, spec: SubnetSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = ConvUnit(
            spec.channels, spec.stem_width, spec.stem_kernel, spec.stem_stride, activation=spec.activation
        )
        inputs = [spec.stem_width, *(stage.width for stage in spec.stages)]
        self.stages = nn.Sequential(
            *(Stage(width, stage, spec.activation) for width, stage in zip(inputs, spec.stages, strict=False))
        )
        self.head = (
            ConvUnit(inputs[-1], spec.head_width, 1, 1, activation=spec.activation)
            if spec.head_width
            else nn.Identity()
        )
        self.classifier = nn.Linear(spec.head_width or inputs[-1], spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, channels, image_size, image_size) -> logits (N, classes)."""
        features = self.head(self.stages(self.stem(x)))
        return self.classifier(features.mean(dim=(2, 3)))


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
