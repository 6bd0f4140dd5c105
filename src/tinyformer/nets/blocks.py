# SPDX-License-Identifier: Apache-2.0
"""The torch modules behind the kinds of blocks (:mod:`tinyformer.nets.kinds`).

Parameters bear the names of ``spec.weighted_layers``; the BatchNorm that follows a convolution ``<name>`` is
``<name>_bn``. Every module computes what one or a few ONNX operators compute (Conv, LayerNormalization, MatMul + Add,
Softmax, Gelu, AveragePool, ...), so that export, integer arithmetic and training agree on what the network is.
Feature maps are (N, C, H, W), best in channels-last memory, where turning them into tokens (N, H*W, C) and back
copies nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tinyformer.nets.encoder import LAYERNORM_EPSILON, EncoderLayer, TransformerUnit, to_image, to_tokens
from tinyformer.nets.kinds import KINDS
from tinyformer.nets.kinds.base import Block, Choices, Place
from tinyformer.nets.kinds.bottleneck import BottleneckBlock
from tinyformer.nets.kinds.conv import ConvBlock
from tinyformer.nets.kinds.inverted_residual import InvertedResidual
from tinyformer.nets.kinds.mobilevit import MobileViTBlock
from tinyformer.nets.kinds.residual import ResidualBlock
from tinyformer.nets.kinds.separable import SeparableBlock
from tinyformer.nets.kinds.skip import Skip
from tinyformer.nets.kinds.transformer import TransformerBlock
from tinyformer.nets.spec import Activation

BATCHNORM_EPSILON = 1e-5
_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "silu": nn.SiLU,
}


class ConvUnit(nn.Module):
    """Convolution, BatchNorm, activation (if any); ``x +`` that where ``residual``. Also the stem and the head."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        *,
        activation: Activation | None,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.conv = _convolution(inputs, outputs, kernel, stride)
        self.conv_bn = _batchnorm(outputs)
        self.activation = _ACTIVATIONS[activation]() if activation else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, ceil(H / stride), ceil(W / stride))."""
        y: Tensor = self.activation(self.conv_bn(self.conv(x)))
        return x + y if self.residual else y


class InvertedResidualUnit(nn.Module):
    """Expansion, depthwise convolution, linear projection (Sandler et al., arXiv 1801.04381); no expansion at ratio
    1."""

    def __init__(
        self, inputs: int, outputs: int, block: InvertedResidual, stride: int, *, activation: Activation, residual: bool
    ) -> None:
        super().__init__()
        hidden = inputs * block.expansion
        self.residual = residual
        self.expand = _convolution(inputs, hidden, 1, 1) if block.expansion > 1 else None
        self.expand_bn = _batchnorm(hidden) if block.expansion > 1 else None
        self.depthwise = _convolution(hidden, hidden, block.kernel, stride, groups=hidden)
        self.depthwise_bn = _batchnorm(hidden)
        self.project = _convolution(hidden, outputs, 1, 1)
        self.project_bn = _batchnorm(outputs)
        self.activation = _ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, ceil(H / stride), ceil(W / stride))."""
        y = x
        if self.expand is not None and self.expand_bn is not None:
            y = self.activation(self.expand_bn(self.expand(y)))
        y = self.activation(self.depthwise_bn(self.depthwise(y)))
        projected: Tensor = self.project_bn(self.project(y))
        return x + projected if self.residual else projected


class ResidualUnit(nn.Module):
    """Two convolutions and the input, projected if ``projected``, behind the activation (He et al., arXiv
    1512.03385)."""

    def __init__(
        self, inputs: int, outputs: int, block: ResidualBlock, stride: int, *, activation: Activation, projected: bool
    ) -> None:
        super().__init__()
        hidden = block.hidden(outputs)
        self.first = _convolution(inputs, hidden, block.kernel, stride)
        self.first_bn = _batchnorm(hidden)
        self.second = _convolution(hidden, outputs, block.kernel, 1)
        self.second_bn = _batchnorm(outputs)
        self.shortcut = _convolution(inputs, outputs, 1, stride) if projected else nn.Identity()
        self.shortcut_bn = _batchnorm(outputs) if projected else nn.Identity()
        self.activation = _ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, ceil(H / stride), ceil(W / stride))."""
        y = self.second_bn(self.second(self.activation(self.first_bn(self.first(x)))))
        summed: Tensor = self.activation(y + self.shortcut_bn(self.shortcut(x)))
        return summed


class BottleneckUnit(nn.Module):
    """A narrow convolution between two 1x1 ones and the input, projected if ``projected``, behind the activation."""

    def __init__(
        self, inputs: int, outputs: int, block: BottleneckBlock, stride: int, *, activation: Activation, projected: bool
    ) -> None:
        super().__init__()
        hidden = block.hidden(outputs)
        self.reduce = _convolution(inputs, hidden, 1, 1)
        self.reduce_bn = _batchnorm(hidden)
        self.middle = _convolution(hidden, hidden, block.kernel, stride)
        self.middle_bn = _batchnorm(hidden)
        self.restore = _convolution(hidden, outputs, 1, 1)
        self.restore_bn = _batchnorm(outputs)
        self.bypass = _convolution(inputs, outputs, 1, stride) if projected else nn.Identity()
        self.bypass_bn = _batchnorm(outputs) if projected else nn.Identity()
        self.activation = _ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, ceil(H / stride), ceil(W / stride))."""
        y = self.activation(self.reduce_bn(self.reduce(x)))
        y = self.restore_bn(self.restore(self.activation(self.middle_bn(self.middle(y)))))
        summed: Tensor = self.activation(y + self.bypass_bn(self.bypass(x)))
        return summed


class SeparableUnit(nn.Module):
    """Depthwise convolution, then a 1x1 convolution (Howard et al., arXiv 1704.04861)."""

    def __init__(self, block: SeparableBlock, place: Place, activation: Activation) -> None:
        super().__init__()
        self.spatial = _convolution(place.inputs, place.inputs, block.kernel, place.stride, groups=place.inputs)
        self.spatial_bn = _batchnorm(place.inputs)
        self.pointwise = _convolution(place.inputs, place.outputs, 1, 1)
        self.pointwise_bn = _batchnorm(place.outputs)
        self.activation = _ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, ceil(H / stride), ceil(W / stride))."""
        y = self.activation(self.spatial_bn(self.spatial(x)))
        z: Tensor = self.activation(self.pointwise_bn(self.pointwise(y)))
        return z


class MobileViTUnit(nn.Module):
    """An encoder between convolutions (Mehta and Rastegari, arXiv 2110.02178)."""

    def __init__(self, block: MobileViTBlock, place: Place, activation: Activation) -> None:
        super().__init__()
        width = place.outputs
        self.local = _convolution(width, width, 3, 1)
        self.local_bn = _batchnorm(width)
        self.embed = nn.Linear(width, block.inner)
        self.encoder = nn.ModuleList(EncoderLayer(block.inner, block.layers) for _ in range(block.depth))
        self.norm = nn.LayerNorm(block.inner, eps=LAYERNORM_EPSILON)
        self.unembed = _convolution(block.inner, width, 1, 1)
        self.unembed_bn = _batchnorm(width)
        self.fuse_tokens = _convolution(width, width, 3, 1)
        self.fuse_tokens_bn = _batchnorm(width)
        self.fuse_input = _convolution(width, width, 3, 1)
        self.fuse_input_bn = _batchnorm(width)
        self.activation = _ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        size = (x.shape[2], x.shape[3])
        tokens = self.embed(to_tokens(self.activation(self.local_bn(self.local(x)))))
        for layer in self.encoder:
            tokens = layer(tokens, size)
        y = self.activation(self.unembed_bn(self.unembed(to_image(self.norm(tokens), size))))
        fused: Tensor = self.activation(
            self.fuse_input_bn(self.fuse_input(x)) + self.fuse_tokens_bn(self.fuse_tokens(y))
        )
        return fused


def _conv_unit(block: ConvBlock, place: Place, activation: Activation) -> nn.Module:
    return ConvUnit(
        place.inputs, place.outputs, block.kernel, place.stride, activation=activation, residual=place.residual
    )


def _inverted_residual(block: InvertedResidual, place: Place, activation: Activation) -> nn.Module:
    return InvertedResidualUnit(
        place.inputs, place.outputs, block, place.stride, activation=activation, residual=place.residual
    )


def _residual(block: ResidualBlock, place: Place, activation: Activation) -> nn.Module:
    return ResidualUnit(place.inputs, place.outputs, block, place.stride, activation=activation, projected=place.first)


def _bottleneck(block: BottleneckBlock, place: Place, activation: Activation) -> nn.Module:
    return BottleneckUnit(
        place.inputs, place.outputs, block, place.stride, activation=activation, projected=place.first
    )


_MODULES: dict[type[Block], Callable[[Any, Place, Activation], nn.Module]] = {
    ConvBlock: _conv_unit,
    InvertedResidual: _inverted_residual,
    ResidualBlock: _residual,
    BottleneckBlock: _bottleneck,
    SeparableBlock: SeparableUnit,
    MobileViTBlock: MobileViTUnit,
    TransformerBlock: lambda block, place, _: TransformerUnit(place.outputs, block),
    Skip: lambda *_: nn.Identity(),
}
"""The torch module of every kind of block; it computes what the block's ``build`` describes."""


def register_kind(choices: type[Choices], module: Callable[[Any, Place, Activation], nn.Module]) -> None:
    """Make a kind of blocks of one's own known: what ``choices`` chooses from, and how its torch modules are made.

    ``module`` is called with a block, its place and the network's activation; parameters must bear the names that the
    block's ``build`` gives to layers, and a convolution's BatchNorm that of the convolution and ``_bn``.
    """
    kind = choices.kind
    assert isinstance(kind, str)
    KINDS[kind] = choices
    _MODULES[choices.block] = module


def build_block(place: Place, activation: Activation) -> nn.Module:
    """The module of the block at ``place``."""
    return _MODULES[type(place.block)](place.block, place, activation)


def initialize(model: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight anew from ``generator``, in order of the modules' names; biases become 0, norms the identity.

    Convolutions: normal with the variance 2 / fan-out (He et al., arXiv 1502.01852), depthwise ones by their single
    channel. Linear layers: uniform with the variance 2 / (inputs + outputs) (Glorot and Bengio, 2010).
    """
    for _, module in sorted(model.named_modules()):
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight.shape[0] // module.groups * module.weight[0, 0].numel()
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out), generator=generator)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
        elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            module.reset_parameters()
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)


def _batchnorm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=BATCHNORM_EPSILON)
