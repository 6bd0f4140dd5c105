# SPDX-License-Identifier: Apache-2.0
"""Collects everything a model has that cannot be compiled, so that the user sees all of it at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tinyformer.errors import TinyFormerError
from tinyformer.ir.lowering.network import Network, Node


class UnsupportedError(Exception):
    """Why one node cannot be compiled and what to do about it; caught per node and collected."""


@dataclass
class Problems:
    """The problems found so far in one model."""

    network: Network
    lines: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)

    def add(self, node: Node, reason: str) -> None:
        """Note that ``node`` cannot be compiled."""
        self.nodes.append(node)
        shapes = ", ".join(_shape(self.network, name) for name in self.network.activations(node))
        result = _shape(self.network, node.output)
        self.lines.append(f"{node.operator} {node.name!r} ({shapes} -> {result}): {reason}")

    def raise_if_any(self) -> None:
        """Raise one :class:`TinyFormerError` that lists everything."""
        if self.lines:
            count = "1 operator" if len(self.lines) == 1 else f"{len(self.lines)} operators"
            lines = "".join(f"\n  - {line}" for line in self.lines)
            raise TinyFormerError(f"model {self.network.name!r} has {count} that cannot be compiled:{lines}")


@contextmanager
def inconsistencies(subject: str) -> Iterator[None]:
    """Turn what NumPy and Python say about contradictory models into a :class:`TinyFormerError` that names ``subject``.

    Checkers of model formats let some inconsistent files through.
    """
    try:
        yield
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise TinyFormerError(f"{subject} is inconsistent ({error}): export the model again") from error


def _shape(network: Network, tensor: str) -> str:
    shape = network.shapes.get(tensor)
    return "unknown shape" if shape is None else "x".join(map(str, shape)) or "scalar"
