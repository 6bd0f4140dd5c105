# SPDX-License-Identifier: Apache-2.0
"""What every kind of block says about itself, and the language in which it says it.

A block describes its computation once, as calls of a :class:`NetworkBuilder`; builders list weighted layers
(:mod:`tinyformer.nets.spec`), lower to the integer graph (:mod:`tinyformer.nets.lowering`) and export to ONNX
(:mod:`tinyformer.compression.export`). The torch modules, which must compute the same, are in
:mod:`tinyformer.nets.blocks`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, Protocol, Self


class Feature(NamedTuple):
    """A square feature map while a network is built: ``channels`` x ``size`` x ``size``, as an image or as tokens."""

    name: str
    channels: int
    size: int


class NetworkBuilder(Protocol):
    """Appends operators to a network; every method returns the operator's output.

    ``name`` is the operator's, a layer's parameter prefix where it has weights. ``activation`` asks for the network's
    activation behind the operator. Convolutions bring their (folded) BatchNorm along and pad by half a kernel.
    """

    def conv(
        self, name: str, x: Feature, outputs: int, kernel: int, stride: int = 1, *, activation: bool = True
    ) -> Feature:
        """Convolution of a ``kernel`` x ``kernel`` window."""

    def depthwise(self, name: str, x: Feature, kernel: int, stride: int = 1, *, activation: bool = True) -> Feature:
        """Convolution of each channel by itself."""

    def add(self, name: str, a: Feature, b: Feature, *, activation: bool = False) -> Feature:
        """Sum of two features of one shape."""

    def max_pool(self, name: str, x: Feature, size: int) -> Feature:
        """Largest value of each of the ``size`` x ``size`` windows side by side."""

    def tokens(self, prefix: str, x: Feature) -> Feature:
        """An image as tokens, one a pixel."""

    def image(self, prefix: str, x: Feature) -> Feature:
        """Tokens as an image."""

    def pool_tokens(self, layer: str, x: Feature, pool: int) -> Feature:
        """Tokens averaged over ``pool`` x ``pool`` neighbours."""

    def layer_norm(self, name: str, x: Feature) -> Feature:
        """LayerNorm of every token."""

    def linear(self, name: str, x: Feature, outputs: int, scale: float = 1.0) -> Feature:
        """A linear layer, the same for every token, its weights and bias multiplied by ``scale``."""

    def gelu(self, name: str, x: Feature) -> Feature:
        """The exact GELU."""

    def split_heads(self, name: str, x: Feature, heads: int, *, keys: bool = False) -> Feature:
        """Channels cut into ``heads``; ``keys`` are laid out for the product with the queries."""

    def attend(self, layer: str, q: Feature, k: Feature, v: Feature, heads: int) -> Feature:
        """``softmax(q k^T) v`` of split heads, merged again."""

    def classify(self, x: Feature, classes: int) -> None:
        """Global average pool and linear classifier: the end of the network."""


class Place(NamedTuple):
    """Where a block stands in a network, and what that makes of it."""

    stage: int
    position: int
    """In the stage."""
    block: Block
    inputs: int
    outputs: int
    """Channels."""
    stride: int
    pooling: int
    """Side of the windows that are max-pooled before the block, 1 for none. Its stride is 1 then."""
    before: int
    after: int
    """Side of the feature map, in pixels, at the block's input (pooled) and output."""

    @property
    def prefix(self) -> str:
        """Of the block's parameters."""
        return f"stages.{self.stage}.blocks.{self.position}"

    @property
    def first(self) -> bool:
        """Whether the block is the first of its stage, the one that changes resolution and width."""
        return self.position == 0

    @property
    def residual(self) -> bool:
        """Whether the block's output has its input's shape."""
        return self.stride == 1 and self.inputs == self.outputs


@dataclass(frozen=True)
class Block(ABC):
    """One block of a network: its attributes, with the name of its kind."""

    first: ClassVar[bool] = True
    """Whether it may be the first of a stage that changes resolution or width."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Name of the kind, a key of :data:`tinyformer.nets.kinds.KINDS`."""

    @abstractmethod
    def build(self, net: NetworkBuilder, x: Feature, place: Place) -> Feature:
        """Append the block's operators to ``net``; their names begin with ``place.prefix``."""


@dataclass(frozen=True)
class Choices(ABC):
    """The blocks of one kind that a position of a supernet's stage may hold: ascending tuples of attributes."""

    block: ClassVar[type[Block]]

    @property
    @abstractmethod
    def kind(self) -> str:
        """Name of the kind, as the blocks have it."""

    @abstractmethod
    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Values by block attribute, from the cheapest to the dearest."""

    @classmethod
    def only(cls, block: Block) -> Self:
        """The choice of ``block`` alone; attributes of choices and blocks are in one order."""
        return cls(*((getattr(block, field.name),) for field in fields(block) if field.name != "kind"))

    def fitted(self, size: int) -> Choices:
        """Those of the choices that a feature map of ``size`` x ``size`` pixels allows."""
        del size
        return self

    def problems(self, size: int) -> Iterator[str]:
        """What is impossible on a feature map of ``size`` x ``size`` pixels, as "attribute: sentence"."""
        del size
        yield from ()


def scaled_width(width: int, ratio: float) -> int:
    """``width * ratio`` rounded to a multiple of 4, the group in which weights are stored and pruned; 4 at least."""
    return max(4, round(width * ratio / 4) * 4)
