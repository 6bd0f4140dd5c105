# SPDX-License-Identifier: Apache-2.0
"""Kind ``bottleneck``: the residual block with 1x1 convolutions around a narrower k x k one (He et al., arXiv
1512.03385)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tinyformer.nets.kinds.base import Block, Choices, Feature, NetworkBuilder, Place, scaled_width


@dataclass(frozen=True)
class BottleneckBlock(Block):
    """1x1 reduction to ``expansion`` times the stage's width, k x k convolution there, 1x1 restoration.

    The k x k convolution strides. The input is added as in :class:`~.residual.ResidualBlock`; its projection is called
    ``bypass``, because kinds share no names.
    """

    kernel: int
    expansion: float
    kind: Literal["bottleneck"] = "bottleneck"

    def build(self, net: NetworkBuilder, x: Feature, place: Place) -> Feature:
        """``act(restore(act(middle(act(reduce(x))))) + bypass(x))``."""
        prefix, hidden = place.prefix, self.hidden(place.outputs)
        y = net.conv(f"{prefix}.reduce", x, hidden, 1)
        y = net.conv(f"{prefix}.middle", y, hidden, self.kernel, place.stride)
        y = net.conv(f"{prefix}.restore", y, place.outputs, 1, activation=False)
        if place.first:
            x = net.conv(f"{prefix}.bypass", x, place.outputs, 1, place.stride, activation=False)
        return net.add(f"{prefix}.add", y, x, activation=True)

    def hidden(self, outputs: int) -> int:
        """Channels inside."""
        return scaled_width(outputs, self.expansion)


@dataclass(frozen=True)
class BottleneckChoices(Choices):
    """Bottleneck blocks: one of ``kernels`` (odd) and one of ``expansions``."""

    kernels: tuple[int, ...]
    expansions: tuple[float, ...]
    kind: Literal["bottleneck"] = "bottleneck"

    block: ClassVar[type[Block]] = BottleneckBlock

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Values by block attribute, from the cheapest to the dearest."""
        return {"kernel": self.kernels, "expansion": self.expansions}
