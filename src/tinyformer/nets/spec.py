# SPDX-License-Identifier: Apache-2.0
"""What a single-path sub-network is: plain frozen dataclasses, free of torch, stable as YAML.

The search genomes, the supernet's paths, the ONNX export and the cost estimators all speak :class:`SubnetSpec`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from tinyformer.nets.kinds import KINDS
from tinyformer.nets.kinds.base import Block, Feature, NetworkBuilder, Place
from tinyformer.nets.kinds.bottleneck import BottleneckBlock
from tinyformer.nets.kinds.conv import ConvBlock
from tinyformer.nets.kinds.inverted_residual import InvertedResidual
from tinyformer.nets.kinds.residual import ResidualBlock
from tinyformer.nets.kinds.skip import Skip
from tinyformer.nets.kinds.transformer import TransformerBlock

__all__ = [
    "Activation",
    "Block",
    "BottleneckBlock",
    "ConvBlock",
    "Downsample",
    "InvertedResidual",
    "LayerSparsity",
    "Place",
    "ResidualBlock",
    "Skip",
    "SparsityPlan",
    "StageSpec",
    "SubnetSpec",
    "TransformerBlock",
    "WeightedLayer",
    "downsampled",
    "plain",
    "weighted_layers",
]

Activation: TypeAlias = Literal["relu", "relu6", "hardswish", "silu"]


Downsample: TypeAlias = Literal["stride", "maxpool"]
"""How a stage lowers the resolution: its first block's convolution strides, or a max pool goes before that block."""

DOWNSAMPLES: tuple[Downsample, ...] = ("maxpool", "stride")
"""All ways, from the cheapest to the dearest."""


@dataclass(frozen=True)
class StageSpec:
    """Blocks at one width and resolution; the first block carries the change of width, and the stride unless
    ``downsample`` pools it."""

    width: int
    stride: int
    blocks: tuple[Block, ...]
    downsample: Downsample = "stride"


@dataclass(frozen=True)
class SubnetSpec:
    """A whole network: stem convolution, stages, optional 1x1 head convolution (``head_width`` 0: none), global
    average pool, classifier."""

    image_size: int
    channels: int
    classes: int
    activation: Activation
    stem_width: int
    stem_kernel: int
    stem_stride: int
    stages: tuple[StageSpec, ...]
    head_width: int

    @property
    def has_transformer(self) -> bool:
        """Whether at least one block is a transformer."""
        return any(isinstance(block, TransformerBlock) for stage in self.stages for block in stage.blocks)

    def walk(self) -> Iterator[Place]:
        """Every block in execution order, with the shapes around it: the one place that knows strides, widths and
        prefixes."""
        width, size = self.stem_width, downsampled(self.image_size, self.stem_stride)
        for i, stage in enumerate(self.stages):
            for j, block in enumerate(stage.blocks):
                factor = stage.stride if j == 0 else 1
                pooling = factor if stage.downsample == "maxpool" else 1
                stride = factor // pooling
                before = size // pooling
                size = downsampled(before, stride)
                yield Place(i, j, block, width, stage.width, stride, pooling, before, size)
                width = stage.width

    def build(self, net: NetworkBuilder, image: Feature) -> None:
        """Append the whole network to ``net``, from ``image`` to the classifier."""
        x = net.conv("stem.conv", image, self.stem_width, self.stem_kernel, self.stem_stride)
        for place in self.walk():
            if place.pooling > 1:
                x = net.max_pool(f"stages.{place.stage}.pool", x, place.pooling)
            x = place.block.build(net, x, place)
        if self.head_width:
            x = net.conv("head.conv", x, self.head_width, 1)
        net.classify(x, self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and dicts, for YAML and JSON."""
        document: dict[str, Any] = plain(asdict(self))
        return document

    @staticmethod
    def from_dict(data: dict[str, Any]) -> SubnetSpec:
        """Inverse of :meth:`to_dict`. Raises ``KeyError``/``TypeError`` on foreign data."""
        stages = tuple(
            StageSpec(**{**stage, "blocks": tuple(_block(block) for block in stage["blocks"])})
            for stage in data["stages"]
        )
        return SubnetSpec(**{**data, "stages": stages})


@dataclass(frozen=True)
class LayerSparsity:
    """Block sparsity of one layer: blocks of ``block`` = (outputs, inputs), a fraction ``ratio`` of which is zero."""

    block: tuple[int, int]
    ratio: float


SparsityPlan: TypeAlias = dict[str, LayerSparsity]
"""Block sparsity by layer name (see :func:`weighted_layers`); layers not named are dense."""


@dataclass(frozen=True)
class WeightedLayer:
    """One layer with multiplicative weights, in execution order.

    ``name`` is the parameter prefix in a Subnet's state dict (``<name>.weight``); ``shape`` is (O, I / groups, KH,
    KW), (O, I) for linear.
    """

    name: str
    kind: Literal["conv", "depthwise", "linear"]
    shape: tuple[int, ...]
    positions: int
    """Output positions (pixels or tokens) at which the weights are applied: MACs = positions * prod(shape)."""
    prunable: bool
    """Convolutions with at least four input channels and linear layers; not the stem, depthwise layers and the
    classifier."""

    @property
    def weights(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def macs(self) -> int:
        """Multiply-accumulates when dense."""
        return self.positions * self.weights


def weighted_layers(spec: SubnetSpec) -> list[WeightedLayer]:
    """Every weighted layer of ``spec`` in execution order."""
    return list(_weighted_layers(spec))


@lru_cache(maxsize=1024)  # searches ask again and again
def _weighted_layers(spec: SubnetSpec) -> tuple[WeightedLayer, ...]:
    recorder = _LayerRecorder()
    spec.build(recorder, Feature("input", spec.channels, spec.image_size))
    return tuple(recorder.layers)


class _LayerRecorder:
    """Notes the layers with weights, and passes all other operators by."""

    def __init__(self) -> None:
        self.layers: list[WeightedLayer] = []

    def conv(
        self, name: str, x: Feature, outputs: int, kernel: int, stride: int = 1, *, activation: bool = True
    ) -> Feature:
        y = Feature(name, outputs, downsampled(x.size, stride))
        prunable = x.channels >= 4 and name != "stem.conv"
        self._record(name, "conv", (outputs, x.channels, kernel, kernel), y.size**2, prunable)
        return y

    def depthwise(self, name: str, x: Feature, kernel: int, stride: int = 1, *, activation: bool = True) -> Feature:
        y = Feature(name, x.channels, downsampled(x.size, stride))
        self._record(name, "depthwise", (x.channels, 1, kernel, kernel), y.size**2, prunable=False)
        return y

    def linear(self, name: str, x: Feature, outputs: int, scale: float = 1.0) -> Feature:
        self._record(name, "linear", (outputs, x.channels), x.size**2, prunable=True)
        return Feature(name, outputs, x.size)

    def classify(self, x: Feature, classes: int) -> None:
        self._record("classifier", "linear", (classes, x.channels), 1, prunable=False)

    def max_pool(self, name: str, x: Feature, size: int) -> Feature:
        return Feature(name, x.channels, x.size // size)

    def pool_tokens(self, layer: str, x: Feature, pool: int) -> Feature:
        return Feature(layer, x.channels, x.size // pool)

    def add(self, name: str, a: Feature, b: Feature, *, activation: bool = False) -> Feature:
        return a

    def tokens(self, prefix: str, x: Feature) -> Feature:
        return x

    def image(self, prefix: str, x: Feature) -> Feature:
        return x

    def layer_norm(self, name: str, x: Feature) -> Feature:
        return x

    def gelu(self, name: str, x: Feature) -> Feature:
        return x

    def split_heads(self, name: str, x: Feature, heads: int, *, keys: bool = False) -> Feature:
        return x

    def attend(self, layer: str, q: Feature, k: Feature, v: Feature, heads: int) -> Feature:
        return q

    def _record(
        self, name: str, kind: Literal["conv", "depthwise", "linear"], shape: tuple[int, ...], positions: int,
        prunable: bool,
    ) -> None:  # fmt: skip
        self.layers.append(WeightedLayer(name, kind, shape, positions, prunable))


def downsampled(size: int, stride: int) -> int:
    """Side of a feature map behind a convolution that pads by half its kernel: ``ceil(size / stride)``."""
    return -(-size // stride)


def _block(data: dict[str, Any]) -> Block:
    return KINDS[data["kind"]].block(**data)


def plain(value: Any) -> Any:
    """``value`` with lists for tuples, at any depth."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
