# SPDX-License-Identifier: Apache-2.0
"""Kind ``residual``: the basic block of residual networks (He et al., arXiv 1512.03385)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tinyformer.nets.kinds.base import Block, Choices, Feature, NetworkBuilder, Place, scaled_width


@dataclass(frozen=True)
class ResidualBlock(Block):
    """Two k x k convolutions with ``expansion`` times the stage's width between them, around which the input is added.

    The first block of a stage projects its input by a 1x1 convolution with the block's stride, whatever the widths, so
    that all paths of a supernet train one function.
    """

    kernel: int
    expansion: float
    kind: Literal["residual"] = "residual"

    def build(self, net: NetworkBuilder, x: Feature, place: Place) -> Feature:
        """``act(second(act(first(x))) + shortcut(x))``."""
        prefix = place.prefix
        y = net.conv(f"{prefix}.first", x, self.hidden(place.outputs), self.kernel, place.stride)
        y = net.conv(f"{prefix}.second", y, place.outputs, self.kernel, activation=False)
        if place.first:
            x = net.conv(f"{prefix}.shortcut", x, place.outputs, 1, place.stride, activation=False)
        return net.add(f"{prefix}.add", y, x, activation=True)

    def hidden(self, outputs: int) -> int:
        """Channels between the two convolutions."""
        return scaled_width(outputs, self.expansion)


@dataclass(frozen=True)
class ResidualChoices(Choices):
    """Residual blocks: one of ``kernels`` (odd) and one of ``expansions``."""

    kernels: tuple[int, ...]
    expansions: tuple[float, ...]
    kind: Literal["residual"] = "residual"

    block: ClassVar[type[Block]] = ResidualBlock

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Values by block attribute, from the cheapest to the dearest."""
        return {"kernel": self.kernels, "expansion": self.expansions}
