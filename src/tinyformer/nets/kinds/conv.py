# SPDX-License-Identifier: Apache-2.0
"""Kind ``conv``: one convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tinyformer.nets.kinds.base import Block, Choices, Feature, NetworkBuilder, Place


@dataclass(frozen=True)
class ConvBlock(Block):
    """Plain k x k convolution, BatchNorm, activation; residual where shapes allow."""

    kernel: int
    kind: Literal["conv"] = "conv"

    def build(self, net: NetworkBuilder, x: Feature, place: Place) -> Feature:
        """``x + act(conv(x))``."""
        y = net.conv(f"{place.prefix}.conv", x, place.outputs, self.kernel, place.stride)
        return net.add(f"{place.prefix}.add", x, y) if place.residual else y


@dataclass(frozen=True)
class ConvChoices(Choices):
    """Plain convolutions: one of ``kernels`` (odd)."""

    kernels: tuple[int, ...]
    kind: Literal["conv"] = "conv"

    block: ClassVar[type[Block]] = ConvBlock

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Values by block attribute, from the cheapest to the dearest."""
        return {"kernel": self.kernels}
