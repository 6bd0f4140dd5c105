# SPDX-License-Identifier: Apache-2.0
"""Kind ``transformer``: pre-norm encoder layers (Vaswani et al., arXiv 1706.03762; Dosovitskiy et al., arXiv
2010.11929), keys and values made of pooled tokens (Wang et al., arXiv 2102.12122)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from tinyformer.nets.kinds.base import Block, Choices, Feature, NetworkBuilder, Place, scaled_width


@dataclass(frozen=True)
class TransformerBlock(Block):
    """``depth`` pre-norm encoder layers over the H*W tokens of a feature map of the stage's width C.

    Each layer: x + proj(attention(LN(x))), then x + fc2(GELU(fc1(LN(x)))). ``heads`` heads of ``head_dim``;
    ``mlp_ratio`` * C hidden units. ``pool`` > 1 down-samples the tokens that keys and values are made of: average
    pooling pool x pool of LN(x) as a feature map. Never the first block of a stage.
    """

    depth: int
    heads: int
    head_dim: int
    mlp_ratio: float
    pool: int
    kind: Literal["transformer"] = "transformer"

    first: ClassVar[bool] = False

    def build(self, net: NetworkBuilder, x: Feature, place: Place) -> Feature:
        """The encoder layers, between two changes of layout."""
        x = net.tokens(place.prefix, x)
        for k in range(self.depth):
            x = self.layer(net, f"{place.prefix}.layers.{k}", x)
        return net.image(place.prefix, x)

    def layer(self, net: NetworkBuilder, layer: str, x: Feature) -> Feature:
        """One encoder layer over tokens; its operators' names begin with ``layer``."""
        x = net.add(f"{layer}.add1", x, self._attention(net, layer, net.layer_norm(f"{layer}.norm1", x)))
        y = net.layer_norm(f"{layer}.norm2", x)
        y = net.linear(f"{layer}.fc1", y, scaled_width(x.channels, self.mlp_ratio))
        y = net.linear(f"{layer}.fc2", net.gelu(f"{layer}.gelu", y), x.channels)
        return net.add(f"{layer}.add2", x, y)

    def _attention(self, net: NetworkBuilder, layer: str, x: Feature) -> Feature:
        """``proj(softmax(q k^T / sqrt(head_dim)) v)``; the scale belongs to the weights of ``q``."""
        source = net.pool_tokens(layer, x, self.pool) if self.pool > 1 else x
        heads, inner = self.heads, self.heads * self.head_dim
        q = net.split_heads(f"{layer}.q", net.linear(f"{layer}.q", x, inner, self.head_dim**-0.5), heads)
        k = net.split_heads(f"{layer}.k", net.linear(f"{layer}.k", source, inner), heads, keys=True)
        v = net.split_heads(f"{layer}.v", net.linear(f"{layer}.v", source, inner), heads)
        return net.linear(f"{layer}.proj", net.attend(layer, q, k, v, heads), x.channels)


@dataclass(frozen=True)
class TransformerChoices(Choices):
    """Transformer encoders: layers, heads, channels a head, MLP ratios and down-sampling factors of keys and values."""

    depths: tuple[int, ...]
    heads: tuple[int, ...]
    head_dims: tuple[int, ...]
    mlp_ratios: tuple[float, ...]
    pools: tuple[int, ...]
    kind: Literal["transformer"] = "transformer"

    block: ClassVar[type[Block]] = TransformerBlock

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Values by block attribute, from the cheapest to the dearest (the largest pool is the cheapest)."""
        return {
            "depth": self.depths,
            "heads": self.heads,
            "head_dim": self.head_dims,
            "mlp_ratio": self.mlp_ratios,
            "pool": self.pools[::-1],
        }

    def fitted(self, size: int) -> TransformerChoices:
        """Without the pools that do not divide the feature map; not pooled at all if none does."""
        return replace(self, pools=tuple(pool for pool in self.pools if size % pool == 0) or (1,))

    def problems(self, size: int) -> Iterator[str]:
        """Pools that do not divide the feature map."""
        for pool in self.pools:
            if pool > 0 and size % pool:
                yield f"pools: {pool} does not divide the {size} x {size} feature map"
