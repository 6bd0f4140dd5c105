# SPDX-License-Identifier: Apache-2.0
"""Examples of every kind of block, made of its attributes alone: a new kind is tested without being named."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from tinyformer.nets.kinds import KINDS
from tinyformer.nets.kinds.base import Block, Choices

_VALUES: dict[str, tuple[Any, ...]] = {
    "kernel": (1, 3, 5),
    "expansion": (1, 2, 3),
    "depth": (1, 2),
    "heads": (1, 2, 3),
    "inner": (12, 24, 36),
    "head_dim": (4, 6, 8),
    "mlp_ratio": (0.5, 1.0, 2.0),
    "pool": (1, 2, 4),
}
_FRACTIONS = (0.25, 0.5, 1.0)
"""Of an expansion that is no whole number."""


def values(block: type[Block]) -> dict[str, tuple[Any, ...]]:
    """Some ascending values of each attribute of ``block``."""
    types = {field.name: field.type for field in fields(block) if field.name != "kind"}
    return {
        name: _FRACTIONS if (name, kind) == ("expansion", "float") else _VALUES[name] for name, kind in types.items()
    }


def examples(kind: str) -> list[Block]:
    """The smallest, a middle and the largest block of ``kind``."""
    block = KINDS[kind].block
    return [block(**{name: options[i] for name, options in values(block).items()}) for i in (0, 1, -1)]


def some(*options: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    """A non-empty ascending choice of ``options``."""
    return st.sets(st.sampled_from(options), min_size=1).map(lambda chosen: tuple(sorted(chosen)))


def choices(kind: str, size: int) -> st.SearchStrategy[Choices]:
    """Choices of ``kind`` on a feature map of ``size`` pixels."""
    found = KINDS[kind]
    attributes = list(values(found.block).items())
    names = [field.name for field in fields(found) if field.name != "kind"]  # in the order of the block's
    return st.builds(found, **{name: some(*options) for name, (_, options) in zip(names, attributes, strict=True)}).map(
        lambda made: made.fitted(size)
    )
