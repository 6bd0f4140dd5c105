"""What a single-path sub-network is: plain frozen dataclasses, free of torch, stable as YAML.

The search genomes, the supernet's paths, the ONNX export and the cost estimators all speak :class:`SubnetSpec`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Activation: TypeAlias = Literal["relu", "relu6", "hardswish", "silu"]


@dataclass(frozen=True)
class ConvBlock:
    """Plain k x k convolution, BatchNorm, activation; residual where shapes allow."""

    kernel: int
    kind: Literal["conv"] = "conv"


@dataclass(frozen=True)
class InvertedResidual:
    """1x1 expansion, k x k depthwise, 1x1 projection (MobileNetV2); residual where shapes allow. No expansion layer
    at ratio 1."""

    kernel: int
    expansion: int
    kind: Literal["mbconv"] = "mbconv"


@dataclass(frozen=True)
class TransformerBlock:
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


@dataclass(frozen=True)
class Skip:
    """Identity: how depth is made elastic. Never the first block of a stage."""

    kind: Literal["skip"] = "skip"


Block: TypeAlias = ConvBlock | InvertedResidual | TransformerBlock | Skip


@dataclass(frozen=True)
class StageSpec:
    """Blocks at one width and resolution; the first block carries the stride and the change of width."""

    width: int
    stride: int
    blocks: tuple[Block, ...]


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

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and dicts, for YAML and JSON."""
        return plain(asdict(self))

    @staticmethod
    def from_dict(data: dict[str, Any]) -> SubnetSpec:
        """Inverse of :meth:`to_dict`. Raises ``KeyError``/``TypeError`` on foreign data."""
        stages = tuple(
            StageSpec(stage["width"], stage["stride"], tuple(_block(block) for block in stage["blocks"]))
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
    layers: list[WeightedLayer] = []
    size = -(-spec.image_size // spec.stem_stride)

    def add(name: str, kind: Literal["conv", "depthwise", "linear"], shape: tuple[int, ...], positions: int) -> None:
        inputs = shape[1] if len(shape) > 1 else 0
        prunable = kind == "linear" or (kind == "conv" and inputs >= 4)
        layers.append(WeightedLayer(name, kind, shape, positions, prunable and name not in ("stem.conv", "classifier")))

    add("stem.conv", "conv", (spec.stem_width, spec.channels, spec.stem_kernel, spec.stem_kernel), size * size)
    width = spec.stem_width
    for i, stage in enumerate(spec.stages):
        for j, block in enumerate(stage.blocks):
            prefix = f"stages.{i}.blocks.{j}"
            stride = stage.stride if j == 0 else 1
            before, size = size, -(-size // stride)
            match block:
                case ConvBlock(kernel=k):
                    add(f"{prefix}.conv", "conv", (stage.width, width, k, k), size * size)
                case InvertedResidual(kernel=k, expansion=expansion):
                    hidden = width * expansion
                    if expansion > 1:
                        add(f"{prefix}.expand", "conv", (hidden, width, 1, 1), before * before)
                    add(f"{prefix}.depthwise", "depthwise", (hidden, 1, k, k), size * size)
                    add(f"{prefix}.project", "conv", (stage.width, hidden, 1, 1), size * size)
                case TransformerBlock():
                    _transformer_layers(add, prefix, block, stage.width, size)
                case Skip():
                    continue
            width = stage.width
    if spec.head_width:
        add("head.conv", "conv", (spec.head_width, width, 1, 1), size * size)
        width = spec.head_width
    add("classifier", "linear", (spec.classes, width), 1)
    return layers


def _transformer_layers(add: Any, prefix: str, block: TransformerBlock, width: int, size: int) -> None:
    tokens = size * size
    pooled = (size // block.pool) ** 2  # pool divides size (checked when spaces are built)
    inner = block.heads * block.head_dim
    hidden = mlp_width(width, block.mlp_ratio)
    for k in range(block.depth):
        layer = f"{prefix}.layers.{k}"
        add(f"{layer}.q", "linear", (inner, width), tokens)
        add(f"{layer}.k", "linear", (inner, width), pooled)
        add(f"{layer}.v", "linear", (inner, width), pooled)
        add(f"{layer}.proj", "linear", (width, inner), tokens)
        add(f"{layer}.fc1", "linear", (hidden, width), tokens)
        add(f"{layer}.fc2", "linear", (width, hidden), tokens)


def mlp_width(width: int, ratio: float) -> int:
    """Hidden units of the MLP: ``width * ratio`` rounded to a multiple of 4."""
    return max(4, round(width * ratio / 4) * 4)


def _block(data: dict[str, Any]) -> Block:
    kinds: dict[str, type[Block]] = {
        "conv": ConvBlock,
        "mbconv": InvertedResidual,
        "transformer": TransformerBlock,
        "skip": Skip,
    }
    return kinds[data["kind"]](**data)


def plain(value: Any) -> Any:
    """``value`` with lists for tuples, at any depth."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
