# SPDX-License-Identifier: Apache-2.0
"""Transformer encoders over feature maps, as torch modules. Parameters bear the names of ``spec.weighted_layers``."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyformer.nets.kinds.base import scaled_width
from tinyformer.nets.kinds.transformer import TransformerBlock

LAYERNORM_EPSILON = 1e-5


class EncoderLayer(nn.Module):
    """A pre-norm transformer encoder layer (Vaswani et al., arXiv 1706.03762; Dosovitskiy et al., arXiv 2010.11929).

    Keys and values are made of tokens average-pooled ``pool`` x ``pool`` (Wang et al., arXiv 2102.12122, with pooling
    in place of a strided convolution). Queries are multiplied by ``head_dim ** -0.5``; export folds that factor into
    the weights and bias of ``q``, so that no operator is left of it.
    """

    def __init__(self, width: int, block: TransformerBlock) -> None:
        super().__init__()
        inner, hidden = block.heads * block.head_dim, scaled_width(width, block.mlp_ratio)
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
        y: Tensor = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return y

    def _attention(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        source = to_tokens(F.avg_pool2d(to_image(x, size), self.pool)) if self.pool > 1 else x
        q = self._split(self.q(x)) * self.head_dim**-0.5
        weights = torch.softmax(q @ self._split(self.k(source)).transpose(-2, -1), dim=-1)
        y: Tensor = self.proj((weights @ self._split(self.v(source))).transpose(1, 2).flatten(2))
        return y

    def _split(self, x: Tensor) -> Tensor:
        """(N, T, heads * head_dim) -> (N, heads, T, head_dim)."""
        heads: Tensor = x.unflatten(2, (self.heads, self.head_dim)).transpose(1, 2)
        return heads


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


def to_tokens(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H*W, C)."""
    return x.flatten(2).transpose(1, 2)


def to_image(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, H*W, C) -> (N, C, H, W); inverse of :func:`to_tokens`."""
    image: Tensor = tokens.transpose(1, 2).unflatten(2, size)
    return image
