# SPDX-License-Identifier: Apache-2.0
"""Which quantization every activation of a partitioned graph has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinyformer.compression.groups import Group
from tinyformer.compression.ranges import SOFTMAX, Range, affine
from tinyformer.ir.lowering.function import Scale
from tinyformer.ir.quantization import Quantization


class SharedScales:
    """Activations that must have one scale, as a union-find; a member's scale may be given beforehand."""

    def __init__(self, groups: Sequence[Group], given: Mapping[str, Quantization]) -> None:
        self._parents: dict[str, str] = {}
        self.given = {**given, **{group.output: SOFTMAX for group in groups if group.scale is Scale.PROBABILITY}}
        """Scales that are not observed, by the activation they are given for."""
        self.observed = [name for name in dict.fromkeys(self._sources(groups)) if name not in self.given]
        """Activations whose ranges decide, in execution order."""
        for group in groups:
            if group.scale is Scale.KEPT:
                self._unite(group)

    @staticmethod
    def _sources(groups: Sequence[Group]) -> list[str]:
        made = {group.output for group in groups}
        network_inputs = [name for group in groups for name in group.inputs if name not in made]
        return network_inputs + [group.output for group in groups if group.scale in (Scale.OBSERVED, Scale.WEIGHTED)]

    def _unite(self, group: Group) -> None:
        """One scale for inputs and output; an input whose given scale is not the output's keeps it and is converted."""
        output, *others = group.output, *group.inputs
        first = others[0]
        self._parents[self._root(output)] = self._root(first)
        for name in others[1:]:
            a, b = self._root(name), self._root(output)
            if a != b and self.given.get(a) == self.given.get(b):
                self._parents[a] = b

    def resolve(self, ranges: Mapping[str, Range], names: Sequence[str]) -> dict[str, Quantization]:
        """The quantization of each of ``names``: given, or from the union of the ranges of those that share it."""
        limits: dict[str, Range] = {}
        for name in self.observed:
            root = self._root(name)
            low, high = limits.get(root, ranges[name])
            limits[root] = (min(low, ranges[name][0]), max(high, ranges[name][1]))
        roots = {name: self._root(name) for name in names}
        return {name: self.given[root] if root in self.given else affine(limits[root]) for name, root in roots.items()}

    def _root(self, name: str) -> str:
        while name in self._parents:
            name = self._parents[name]
        return name
