# SPDX-License-Identifier: Apache-2.0
"""What one position of a supernet's stage may hold: kinds of blocks, and the values of their attributes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias, TypeVar

import numpy as np

from tinyformer.nets.kinds import KINDS
from tinyformer.nets.kinds.base import Block, Choices
from tinyformer.nets.spec import Downsample

T = TypeVar("T")


Position: TypeAlias = tuple[Choices, ...]
"""The kinds of blocks that a position may hold, each once."""


@dataclass(frozen=True)
class StageChoices:
    """One stage: elastic ``widths``, a fixed ``stride``, the ways to down-sample by it, and for each position the
    kinds of blocks it may hold."""

    widths: tuple[int, ...]
    stride: int
    positions: tuple[Position, ...]
    downsamples: tuple[Downsample, ...] = ("stride",)

    def count(self) -> int:
        """Number of stages that it offers."""
        return len(self.widths) * len(self.downsamples) * math.prod(map(count, self.positions))


def draw(values: tuple[T, ...], rng: np.random.Generator) -> T:
    """One of ``values``, each equally likely; a single one takes nothing of ``rng``."""
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


def corner(choices: Choices, index: int) -> Block:
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


def parse_choices(data: dict[str, Any]) -> Choices:
    """Inverse of ``dataclasses.asdict``, lists standing for tuples. Raises ``KeyError`` or ``TypeError`` on foreign
    data."""
    attributes: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
    }
    return KINDS[data["kind"]](**attributes)
