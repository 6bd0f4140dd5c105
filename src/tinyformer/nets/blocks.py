"""The torch modules behind the blocks of :mod:`tinyformer.nets.spec`.

Parameters bear the names of ``spec.weighted_layers``; the BatchNorm that follows a convolution ``<name>`` is
``<name>_bn``. Every module computes what one or a few ONNX operators compute (Conv, LayerNormalization, MatMul + Add,
Softmax, Gelu, AveragePool, ...), so that export, integer arithmetic and training agree on what the network is.
Feature maps are (N, C, H, W), best in channels-last memory, where turning them into tokens (N, H*W, C) and back
copies nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyformer.nets.spec import (
    Activation,
    Block,
    ConvBlock,
    InvertedResidual,
    Skip,
    TransformerBlock,
    mlp_width,
)

BATCHNORM_EPSILON = 1e-5
LAYERNORM_EPSILON = 1e-5
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
        y = self.activation(self.conv_bn(self.conv(x)))
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
        y = self.project_bn(self.project(y))
        return x + y if self.residual else y


class EncoderLayer(nn.Module):
    """A pre-norm transformer encoder layer (Vaswani et al., arXiv 1706.03762; Dosovitskiy et al., arXiv 2010.11929).

    Keys and values are made of tokens average-pooled ``pool`` x ``pool`` (Wang et al., arXiv 2102.12122, with pooling
    in place of a strided convolution). Queries are multiplied by ``head_dim ** -0.5``; export folds that factor into
    the weights and bias of ``q``, so that no operator is left of it.
    """

    def __init__(self, width: int, block: TransformerBlock, activation: Callable[[Tensor], Tensor] = F.gelu) -> None:
        super().__init__()
        inner, hidden = block.heads * block.head_dim, mlp_width(width, block.mlp_ratio)
        self.activation = activation
        self.heads = block.heads
        self.head_dim = block.head_dim
        self.pool = block.pool
        self.norm1 = nn.LayerNorm(width, eps=LAYERNORM_EPSILON)
        self.q = nn.Linear(width, inner)
        self.k = nn.Linear(width, inner)
        self.v = nn.Linear(width, inner)
        self.proj = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=LAYERNORM_EPSILON)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Tokens (N, H*W, C) of a feature map of ``size`` (H, W) -> tokens of the same shape."""
        x = x + self._attention(self.norm1(x), size)
        return x + self.fc2(self.activation(self.fc1(self.norm2(x))))

    def _attention(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        source = to_tokens(F.avg_pool2d(to_image(x, size), self.pool)) if self.pool > 1 else x
        q = self._split(self.q(x)) * self.head_dim**-0.5
        weights = torch.softmax(q @ self._split(self.k(source)).transpose(-2, -1), dim=-1)
        return self.proj((weights @ self._split(self.v(source))).transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        """(N, T, heads * head_dim) -> (N, heads, T, head_dim)."""
        return x.unflatten(2, (self.heads, self.head_dim)).transpose(1, 2)


class TransformerUnit(nn.Module):
    """Encoder layers over the tokens of a feature map."""

    def __init__(self, width: int, block: TransformerBlock) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, block) for _ in range(block.depth))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        size = (x.shape[2], x.shape[3])
        tokens = to_tokens(x)
        for layer in self.layers:
            tokens = layer(tokens, size)
        return to_image(tokens, size)


def build_block(block: Block, inputs: int, outputs: int, stride: int, activation: Activation) -> nn.Module:
    """The module of one block; transformer and skip blocks need ``inputs == outputs`` and stride 1."""
    residual = inputs == outputs and stride == 1
    match block:
        case ConvBlock():
            return ConvUnit(inputs, outputs, block.kernel, stride, activation=activation, residual=residual)
        case InvertedResidual():
            return InvertedResidualUnit(inputs, outputs, block, stride, activation=activation, residual=residual)
        case TransformerBlock():
            return TransformerUnit(outputs, block)
        case Skip():
            return nn.Identity()
    assert_never(block)


def to_tokens(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H*W, C)."""
    return x.flatten(2).transpose(1, 2)


def to_image(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, H*W, C) -> (N, C, H, W); inverse of :func:`to_tokens`."""
    return tokens.transpose(1, 2).unflatten(2, size)


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
