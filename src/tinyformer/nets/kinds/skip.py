# SPDX-License-Identifier: Apache-2.0
"""Kind ``skip``: nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tinyformer.nets.kinds.base import Block, Choices, Feature, NetworkBuilder, Place


@dataclass(frozen=True)
class Skip(Block):
    """Identity: how depth is made elastic. Never the first block of a stage."""

    kind: Literal["skip"] = "skip"

    first: ClassVar[bool] = False

    def build(self, net: NetworkBuilder, x: Feature, place: Place) -> Feature:
        """``x`` itself."""
        del net, place
        return x


@dataclass(frozen=True)
class SkipChoice(Choices):
    """The position may be left out."""

    kind: Literal["skip"] = "skip"

    block: ClassVar[type[Block]] = Skip

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Nothing to choose."""
        return {}
