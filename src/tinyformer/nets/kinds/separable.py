# SPDX-License-Identifier: Apache-2.0
"""Kind ``separable``: the depthwise-separable convolution of MobileNetV1 (Howard et al., arXiv 1704.04861)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tinyformer.nets.kinds.base import Block, Choices, Feature, NetworkBuilder, Place


@dataclass(frozen=True)
class SeparableBlock(Block):
    """k x k depthwise convolution, BatchNorm, activation; 1x1 convolution, BatchNorm, activation. No residual."""

    kernel: int
    kind: Literal["separable"] = "separable"

    def build(self, net: NetworkBuilder, x: Feature, place: Place) -> Feature:
        """``act(pointwise(act(spatial(x))))``."""
        y = net.depthwise(f"{place.prefix}.spatial", x, self.kernel, place.stride)
        return net.conv(f"{place.prefix}.pointwise", y, place.outputs, 1)


@dataclass(frozen=True)
class SeparableChoices(Choices):
    """Depthwise-separable convolutions: one of ``kernels`` (odd)."""

    kernels: tuple[int, ...]
    kind: Literal["separable"] = "separable"

    block: ClassVar[type[Block]] = SeparableBlock

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Values by block attribute, from the cheapest to the dearest."""
        return {"kernel": self.kernels}
