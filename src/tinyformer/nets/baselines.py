"""The published networks that compressed models are compared with, for images of about 32 x 32 pixels.

Their layers are the originals'; only strides differ, as is usual at this size: the last feature map is 4 x 4 for 32 x
32 pixels.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyformer.nets.blocks import LAYERNORM_EPSILON, ConvUnit, EncoderLayer, InvertedResidualUnit
from tinyformer.nets.spec import InvertedResidual, TransformerBlock

Baseline: TypeAlias = Literal["resnet18", "mobilenetv2", "mobilevit_xs"]


def build_baseline(name: Baseline, classes: int = 10, channels: int = 3) -> nn.Module:
    """A network from images (N, channels, H, W) to logits (N, classes); H and W are multiples of 16."""
    networks = {"resnet18": ResNet18, "mobilenetv2": MobileNetV2, "mobilevit_xs": MobileViTXS}
    return networks[name](classes, channels)


class _Classifier(nn.Module):
    """Features, global average pool, linear classifier."""

    def __init__(self, features: nn.Sequential, width: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> logits (N, classes)."""
        return self.classifier(self.features(x).mean(dim=(2, 3)))


class ResNet18(_Classifier):
    """He et al., arXiv 1512.03385; with a 3 x 3 stem of stride 1 and without the max pool."""

    def __init__(self, classes: int, channels: int) -> None:
        layers: list[nn.Module] = [ConvUnit(channels, 64, 3, 1, activation="relu")]
        width = 64
        for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            layers += [BasicBlock(width, outputs, stride), BasicBlock(outputs, outputs, 1)]
            width = outputs
        super().__init__(nn.Sequential(*layers), width, classes)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input is added, projected where shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = ConvUnit(inputs, outputs, 3, stride, activation="relu")
        self.second = ConvUnit(outputs, outputs, 3, 1, activation=None)
        projected = inputs != outputs or stride > 1
        self.shortcut = ConvUnit(inputs, outputs, 1, stride, activation=None) if projected else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


class MobileNetV2(_Classifier):
    """Sandler et al., arXiv 1801.04381, at width 1; the stem and the second stage keep the resolution."""

    def __init__(self, classes: int, channels: int) -> None:
        layers: list[nn.Module] = [ConvUnit(channels, 32, 3, 1, activation="relu6")]
        width = 32
        stages = (  # expansion, width, blocks, stride
            (1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
        )  # fmt: skip
        for expansion, outputs, blocks, stride in stages:
            for j in range(blocks):
                layers.append(_inverted_residual(width, outputs, expansion, stride if j == 0 else 1, "relu6"))
                width = outputs
        layers.append(ConvUnit(width, 1280, 1, 1, activation="relu6"))
        super().__init__(nn.Sequential(*layers), 1280, classes)


class MobileViTXS(_Classifier):
    """Mehta and Rastegari, arXiv 2110.02178, size XS; the stem and the third stage keep the resolution."""

    def __init__(self, classes: int, channels: int) -> None:
        layers: list[nn.Module] = [
            ConvUnit(channels, 16, 3, 1, activation="silu"),
            _inverted_residual(16, 32, 4, 1, "silu"),
            _inverted_residual(32, 48, 4, 2, "silu"),
            _inverted_residual(48, 48, 4, 1, "silu"),
            _inverted_residual(48, 48, 4, 1, "silu"),
        ]
        width = 48
        for outputs, stride, inner, depth in ((64, 1, 96, 2), (80, 2, 120, 4), (96, 2, 144, 3)):
            layers += [_inverted_residual(width, outputs, 4, stride, "silu"), MobileViTBlock(outputs, inner, depth)]
            width = outputs
        layers.append(ConvUnit(width, 384, 1, 1, activation="silu"))
        super().__init__(nn.Sequential(*layers), 384, classes)


class MobileViTBlock(nn.Module):
    """Convolution, then ``depth`` encoder layers of ``inner`` channels between the pixels at equal places of all 2 x
    2 patches."""

    patch = 2

    def __init__(self, width: int, inner: int, depth: int) -> None:
        super().__init__()
        block = TransformerBlock(depth=depth, heads=4, head_dim=inner // 4, mlp_ratio=2.0, pool=1)
        self.local = ConvUnit(width, width, 3, 1, activation="silu")
        self.embed = nn.Conv2d(width, inner, 1, bias=False)
        self.layers = nn.ModuleList(EncoderLayer(inner, block, F.silu) for _ in range(depth))
        self.norm = nn.LayerNorm(inner, eps=LAYERNORM_EPSILON)
        self.project = ConvUnit(inner, width, 1, 1, activation="silu")
        self.fuse = ConvUnit(2 * width, width, 3, 1, activation="silu")

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape; H and W are even."""
        y = self.embed(self.local(x))
        rows, columns = y.shape[2] // self.patch, y.shape[3] // self.patch
        tokens = self._unfold(y, rows, columns)
        for layer in self.layers:
            tokens = layer(tokens, (rows, columns))
        y = self._fold(self.norm(tokens), rows, columns)
        return self.fuse(torch.cat([x, self.project(y)], dim=1))

    def _unfold(self, x: Tensor, rows: int, columns: int) -> Tensor:
        """(N, C, H, W) -> (N * 4, patches, C): one sequence for each place within a patch."""
        x = x.unflatten(3, (columns, self.patch)).unflatten(2, (rows, self.patch))  # N, C, row, y, column, x
        return x.permute(0, 3, 5, 2, 4, 1).flatten(3, 4).flatten(0, 2)

    def _fold(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        """Inverse of :meth:`_unfold`."""
        x = tokens.unflatten(0, (-1, self.patch, self.patch)).unflatten(3, (rows, columns))
        return x.permute(0, 5, 3, 1, 4, 2).flatten(4, 5).flatten(2, 3)


def _inverted_residual(
    inputs: int, outputs: int, expansion: int, stride: int, activation: Literal["relu6", "silu"]
) -> nn.Module:
    block = InvertedResidual(kernel=3, expansion=expansion)
    residual = inputs == outputs and stride == 1
    return InvertedResidualUnit(inputs, outputs, block, stride, activation=activation, residual=residual)
