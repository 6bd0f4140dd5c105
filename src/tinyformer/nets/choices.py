"""What one position of a supernet's stage may hold: kinds of blocks, and the values of their attributes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

import numpy as np

from tinyformer.nets.spec import Block, ConvBlock, InvertedResidual, Skip, TransformerBlock

T = TypeVar("T")


@dataclass(frozen=True)
class ConvChoices:
    """Plain convolutions: one of ``kernels`` (odd)."""

    kernels: tuple[int, ...]
    kind: Literal["conv"] = "conv"

    block: ClassVar[type[Block]] = ConvBlock

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Values by block attribute, from the cheapest to the dearest."""
        return {"kernel": self.kernels}


@dataclass(frozen=True)
class InvertedResidualChoices:
    """Inverted residuals: one of ``kernels`` (odd) and one of ``expansions``."""

    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    kind: Literal["mbconv"] = "mbconv"

    block: ClassVar[type[Block]] = InvertedResidual

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Values by block attribute, from the cheapest to the dearest."""
        return {"kernel": self.kernels, "expansion": self.expansions}


@dataclass(frozen=True)
class TransformerChoices:
    """Transformer encoders: layers, heads, channels a head, MLP ratios and down-sampling factors of keys and values."""

    depths: tuple[int, ...]
    heads: tuple[int, ...]
    head_dims: tuple[int, ...]
    mlp_ratios: tuple[float, ...]
    pools: tuple[int, ...]
    kind: Literal["transformer"] = "transformer"

    block: ClassVar[type[Block]] = TransformerBlock

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Values by block attribute, from the cheapest to the dearest (the largest pool is the cheapest)."""
        return {
            "depth": self.depths,
            "heads": self.heads,
            "head_dim": self.head_dims,
            "mlp_ratio": self.mlp_ratios,
            "pool": self.pools[::-1],
        }


@dataclass(frozen=True)
class SkipChoice:
    """The position may be left out."""

    kind: Literal["skip"] = "skip"

    block: ClassVar[type[Block]] = Skip

    def domains(self) -> dict[str, tuple[Any, ...]]:
        """Nothing to choose."""
        return {}


BlockChoices: TypeAlias = ConvChoices | InvertedResidualChoices | TransformerChoices | SkipChoice
Position: TypeAlias = tuple[BlockChoices, ...]
"""The kinds of blocks that a position may hold, each once."""

_KINDS: dict[str, type[BlockChoices]] = {
    choices.kind: choices for choices in (ConvChoices, InvertedResidualChoices, TransformerChoices, SkipChoice)
}


@dataclass(frozen=True)
class StageChoices:
    """One stage: elastic ``widths``, a fixed ``stride``, and for each position the kinds of blocks it may hold."""

    widths: tuple[int, ...]
    stride: int
    positions: tuple[Position, ...]


def draw(values: tuple[T, ...], rng: np.random.Generator) -> T:
    """One of ``values``, each equally likely."""
    return values[int(rng.integers(len(values)))]


def draw_block(position: Position, rng: np.random.Generator) -> Block:
    """A block that ``position`` may hold: its kind, then each attribute, drawn uniformly."""
    choices = draw(position, rng)
    return choices.block(**{name: draw(values, rng) for name, values in choices.domains().items()})


def mix(a: Block, b: Block, rng: np.random.Generator) -> Block:
    """``a``, each attribute replaced by ``b``'s with probability one half if both are of one kind."""
    if a.kind != b.kind:
        return a
    return replace(a, **{name: getattr(b, name) for name in asdict(a) if name != "kind" and rng.random() < 0.5})


def corner(choices: BlockChoices, index: int) -> Block:
    """The cheapest (``index`` 0) or dearest (-1) block among ``choices``, in weights and multiply-accumulates."""
    return choices.block(**{name: values[index] for name, values in choices.domains().items()})


def allows(position: Position, block: Block) -> bool:
    """Whether ``position`` may hold ``block``."""
    return any(
        choices.kind == block.kind and all(getattr(block, name) in values for name, values in choices.domains().items())
        for choices in position
    )


def count(position: Position) -> int:
    """Number of blocks that ``position`` may hold."""
    return sum(math.prod(len(values) for values in choices.domains().values()) for choices in position)


def parse_choices(data: dict[str, Any]) -> BlockChoices:
    """Inverse of ``dataclasses.asdict``, lists standing for tuples. Raises ``KeyError`` or ``TypeError`` on foreign
    data."""
    attributes: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
    }
    return _KINDS[data["kind"]](**attributes)
