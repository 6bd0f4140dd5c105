# SPDX-License-Identifier: Apache-2.0
"""Kind ``mobilevit``: an encoder between convolutions (Mehta and Rastegari, arXiv 2110.02178)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tinyformer.nets.kinds.base import Block, Choices, Feature, NetworkBuilder, Place
from tinyformer.nets.kinds.transformer import TransformerBlock


@dataclass(frozen=True)
class MobileViTBlock(Block):
    """Local 3x3 convolution, ``depth`` encoder layers of ``inner`` channels over all pixels, and a 3x3 convolution that
    joins their result with the block's input.

    As published with patches of one pixel, which suits feature maps of 32 x 32 images; the MLPs have GELU. The last
    convolution reads input and result side by side: here it is the sum of two, one for each. ``inner`` is divided into
    ``heads``; the MLPs have ``mlp_ratio`` * ``inner`` hidden units. Never the first block of a stage.
    """

    depth: int
    heads: int
    inner: int
    mlp_ratio: float
    kind: Literal["mobilevit"] = "mobilevit"

    first: ClassVar[bool] = False

    @property
    def layers(self) -> TransformerBlock:
        """The encoder's layers."""
        return TransformerBlock(self.depth, self.heads, self.inner // self.heads, self.mlp_ratio, pool=1)

    def build(self, net: NetworkBuilder, x: Feature, place: Place) -> Feature:
        """``act(fuse_input(x) + fuse_tokens(act(unembed(norm(encoder(embed(act(local(x)))))))))``."""
        prefix = place.prefix
        y = net.conv(f"{prefix}.local", x, x.channels, 3)
        y = net.linear(f"{prefix}.embed", net.tokens(prefix, y), self.inner)
        for k in range(self.depth):
            y = self.layers.layer(net, f"{prefix}.encoder.{k}", y)
        y = net.image(f"{prefix}.norm", net.layer_norm(f"{prefix}.norm", y))
        y = net.conv(f"{prefix}.unembed", y, x.channels, 1)
        y = net.conv(f"{prefix}.fuse_tokens", y, x.channels, 3, activation=False)
        x = net.conv(f"{prefix}.fuse_input", x, x.channels, 3, activation=False)
        return net.add(f"{prefix}.add", x, y, activation=True)


@dataclass(frozen=True)
class MobileViTChoices(Choices):
    """MobileViT blocks; networks that are given hold them, search spaces do not."""

    depths: tuple[int, ...]
    heads: tuple[int, ...]
    inners: tuple[int, ...]
    mlp_ratios: tuple[float, ...]
    kind: Literal["mobilevit"] = "mobilevit"

    block: ClassVar[type[Block]] = MobileViTBlock

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Values by block attribute, from the cheapest to the dearest."""
        return {"depth": self.depths, "heads": self.heads, "inner": self.inners, "mlp_ratio": self.mlp_ratios}
