# SPDX-License-Identifier: Apache-2.0
"""Kind ``mbconv``: the inverted residual of MobileNetV2 (Sandler et al., arXiv 1801.04381)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tinyformer.nets.kinds.base import Block, Choices, Feature, NetworkBuilder, Place


@dataclass(frozen=True)
class InvertedResidual(Block):
    """1x1 expansion, k x k depthwise, 1x1 projection (MobileNetV2); residual where shapes allow. No expansion layer
    at ratio 1."""

    kernel: int
    expansion: int
    kind: Literal["mbconv"] = "mbconv"

    def build(self, net: NetworkBuilder, x: Feature, place: Place) -> Feature:
        """``x + project(act(depthwise(act(expand(x)))))``."""
        y, prefix = x, place.prefix
        if self.expansion > 1:
            y = net.conv(f"{prefix}.expand", y, place.inputs * self.expansion, 1)
        y = net.depthwise(f"{prefix}.depthwise", y, self.kernel, place.stride)
        y = net.conv(f"{prefix}.project", y, place.outputs, 1, activation=False)
        return net.add(f"{prefix}.add", x, y) if place.residual else y


@dataclass(frozen=True)
class InvertedResidualChoices(Choices):
    """Inverted residuals: one of ``kernels`` (odd) and one of ``expansions``."""

    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    kind: Literal["mbconv"] = "mbconv"

    block: ClassVar[type[Block]] = InvertedResidual

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Values by block attribute, from the cheapest to the dearest."""
        return {"kernel": self.kernels, "expansion": self.expansions}
