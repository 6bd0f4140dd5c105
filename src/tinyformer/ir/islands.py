# SPDX-License-Identifier: Apache-2.0
"""Islands: element-wise operators that together are one function of one tensor, which a table of 256 entries can hold.

GELU in its Erf form, ``x * sigmoid(x)``, hard-swish from its parts: as long as all paths start at the same tensor and
all constants are single numbers, the result is a function of one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

NodeT = TypeVar("NodeT")


class Islands(Generic[NodeT]):
    """For each tensor the origins that it is an element-wise function of, nearest first.

    Tensors and nodes are announced in execution order.
    """

    def __init__(self) -> None:
        self._origins: dict[str, tuple[str, ...]] = {}
        self._made: dict[str, tuple[NodeT, tuple[str, ...]]] = {}
        self._order: dict[str, int] = {}

    def begin(self, tensor: str) -> None:
        """Let islands start at ``tensor``, even if it belongs to one itself."""
        self._origins[tensor] = (tensor, *self._origins.get(tensor, ()))

    def join(self, node: NodeT, output: str, activations: Sequence[str]) -> tuple[str, ...]:
        """The origins, possibly none, that all ``activations`` have in common; they become those of ``output``.

        ``node`` is element-wise and has no constants but single numbers.
        """
        candidates = [self._origins.get(name, ()) for name in activations]
        common = tuple(origin for origin in candidates[0] if all(origin in others for others in candidates[1:]))
        if common:
            self._origins[output] = common
            self._made[output] = node, tuple(activations)
            self._order[output] = len(self._order)
        return common

    def origins(self, tensor: str) -> tuple[str, ...]:
        """What ``tensor`` is an element-wise function of."""
        return self._origins.get(tensor, ())

    def members(self, output: str, origin: str) -> list[NodeT]:
        """The nodes that lead from ``origin`` to ``output``, in execution order."""
        wanted: set[str] = set()
        pending = [output]
        while pending:
            name = pending.pop()
            if name != origin and name not in wanted:
                wanted.add(name)
                pending.extend(self._made[name][1])
        return [self._made[name][0] for name in sorted(wanted, key=self._order.__getitem__)]
