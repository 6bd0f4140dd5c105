# SPDX-License-Identifier: Apache-2.0
"""How genomes come about: sampling, mutation and crossover, each followed by a repair of the sparsity plan."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace

import numpy as np

from tinyformer.config.sparsity import SparsityConfig
from tinyformer.errors import TinyFormerError
from tinyformer.nets.spec import LayerSparsity, SparsityPlan, SubnetSpec, WeightedLayer, weighted_layers
from tinyformer.nets.supernet_spec import SupernetSpec, TransformerChoices
from tinyformer.sparsenas.genome import Genome
from tinyformer.sparsenas.repair import Repair, sparse_layers

_ATTEMPTS = 100
"""Draws before :meth:`Variation.sample` puts a transformer block in by hand, or gives up on the sparsity target."""


class Variation:
    """Draws and recombines genomes of a supernet; all randomness comes from the generators handed in.

    Every genome that comes out was made admissible by ``repair`` and, if ``require_transformer``, has a transformer
    block.
    Raises :class:`TinyFormerError` at construction if the supernet offers no transformer block but one is required.
    """

    def __init__(
        self, supernet: SupernetSpec, sparsity: SparsityConfig, repair: Repair, *, require_transformer: bool
    ) -> None:
        self._supernet = supernet
        self._repair = repair
        self._sparsity = sparsity
        self._require_transformer = require_transformer
        if require_transformer and not any(_transformer_positions(supernet)):
            raise TinyFormerError(
                "The supernet offers no transformer block, yet sparsenas.require_transformer is true: "
                "choose a search_space with one or set sparsenas.require_transformer=false."
            )

    def sample(self, rng: np.random.Generator) -> Genome:
        """A random architecture; every second one evenly sparse before its repair, the others at random.

        Raises :class:`TinyFormerError` if the sparsity target is out of reach.
        """
        for _ in range(_ATTEMPTS):
            subnet = self._sample_subnet(rng)
            plan = self._even(subnet, rng) if rng.random() < 0.5 else {}
            genome = self._repaired(subnet, plan, rng)
            if genome is not None:
                return genome
        raise TinyFormerError(
            f"sparsity.target {self._sparsity.target} is out of reach with sparsity.dense_layers "
            f"{list(self._sparsity.dense_layers)} kept dense and no layer above {self._sparsity.ratios[-1]}: "
            "lower the target, keep fewer layers dense or admit higher ratios."
        )

    def largest(self, rng: np.random.Generator) -> Genome | None:
        """The largest architecture, evenly sparse; ``None`` where it is beyond repair or lacks a transformer."""
        subnet = self._supernet.largest()
        if self._require_transformer and not subnet.has_transformer:
            return None
        return self._repaired(subnet, self._even(subnet, rng), rng)

    def smallest(self) -> list[Genome]:
        """The cheapest genomes: the smallest architecture(s) with every layer as sparse as it may become."""
        subnets = [self._supernet.smallest()]
        if self._require_transformer and not subnets[0].has_transformer:
            subnets = list(self._with_transformer(subnets[0]))
        largest = self._sparsity.ratios[-1]
        return [
            Genome.of(subnet, {layer.name: LayerSparsity(block, largest) for layer in self._sparse_layers(subnet)})
            for subnet in subnets
            for block in self._sparsity.block_shapes
        ]

    def mutate(self, genome: Genome, rng: np.random.Generator, rate: float) -> Genome:
        """``genome`` with each gene, architectural or a layer's sparsity, drawn anew with probability ``rate``."""
        subnet = self._supernet.mutate(genome.subnet, rng, rate)
        if self._require_transformer and not subnet.has_transformer:
            subnet = genome.subnet
        plan: SparsityPlan = {}
        for layer in self._sparse_layers(subnet):
            if layer.name in _names(genome.subnet):
                old = genome.plan.get(layer.name, LayerSparsity(self._sparsity.block_shapes[0], 0.0))
                plan[layer.name] = self._step(old, rng) if rng.random() < rate else old
        settled = {name for name, layer in plan.items() if layer != genome.plan.get(name, layer)}
        return self._repaired(subnet, plan, rng, settled=settled) or genome

    def crossover(self, a: Genome, b: Genome, rng: np.random.Generator) -> Genome:
        """Architecture and layer sparsities mixed from two parents."""
        subnet = self._supernet.crossover(a.subnet, b.subnet, rng)
        if self._require_transformer and not subnet.has_transformer:
            subnet = a.subnet
        dense = LayerSparsity(self._sparsity.block_shapes[0], 0.0)
        plan: SparsityPlan = {}
        for layer in self._sparse_layers(subnet):
            donors = [parent for parent in (a, b) if layer.name in _names(parent.subnet)]
            if donors:
                plan[layer.name] = donors[int(rng.integers(len(donors)))].plan.get(layer.name, dense)
        return self._repaired(subnet, plan, rng) or a

    def _repaired(
        self, subnet: SubnetSpec, plan: SparsityPlan, rng: np.random.Generator, *, settled: Set[str] = frozenset()
    ) -> Genome | None:
        """``plan`` with layers it lacks drawn at random, then repaired; ``None`` where ``subnet`` is beyond repair."""
        ratios = self._sparsity.ratios
        full = {
            layer.name: plan.get(layer.name)
            or LayerSparsity(self._draw_block(rng), ratios[int(rng.integers(len(ratios)))])
            for layer in self._sparse_layers(subnet)
        }
        repaired = self._repair(subnet, full, rng, settled=settled)
        return None if repaired is None else Genome.of(subnet, repaired)

    def _even(self, subnet: SubnetSpec, rng: np.random.Generator) -> SparsityPlan:
        """Every layer at the ratio that the repair begins with."""
        ratio = self._repair.even_ratio()
        return {layer.name: LayerSparsity(self._draw_block(rng), ratio) for layer in self._sparse_layers(subnet)}

    def _step(self, old: LayerSparsity, rng: np.random.Generator) -> LayerSparsity:
        """A neighbouring ratio or, as often where there are several, another block shape."""
        ratios = self._sparsity.ratios
        if len(self._sparsity.block_shapes) > 1 and rng.random() < 0.5:
            return replace(old, block=self._draw_block(rng))
        nearest = min(range(len(ratios)), key=lambda i: abs(ratios[i] - old.ratio))
        moved = nearest + (1 if rng.random() < 0.5 else -1)
        return replace(old, ratio=ratios[min(max(moved, 0), len(ratios) - 1)])

    def _draw_block(self, rng: np.random.Generator) -> tuple[int, int]:
        shapes = self._sparsity.block_shapes
        return shapes[int(rng.integers(len(shapes)))]

    def _sparse_layers(self, subnet: SubnetSpec) -> list[WeightedLayer]:
        return sparse_layers(subnet, self._sparsity)

    def _sample_subnet(self, rng: np.random.Generator) -> SubnetSpec:
        for _ in range(_ATTEMPTS):
            subnet = self._supernet.sample(rng)
            if not self._require_transformer or subnet.has_transformer:
                return subnet
        options = list(self._with_transformer(subnet))
        return options[int(rng.integers(len(options)))]

    def _with_transformer(self, subnet: SubnetSpec) -> Iterator[SubnetSpec]:
        """``subnet`` with the cheapest transformer block in each position that may hold one."""
        for i, j, choices in _transformer_positions(self._supernet):
            stage = subnet.stages[i]
            block = choices.block(**{name: values[0] for name, values in choices.domains().items()})
            blocks = (*stage.blocks[:j], block, *stage.blocks[j + 1 :])
            yield replace(subnet, stages=(*subnet.stages[:i], replace(stage, blocks=blocks), *subnet.stages[i + 1 :]))


def _transformer_positions(supernet: SupernetSpec) -> Iterator[tuple[int, int, TransformerChoices]]:
    for i, stage in enumerate(supernet.stages):
        for j, position in enumerate(stage.positions):
            for choices in position:
                if isinstance(choices, TransformerChoices):
                    yield i, j, choices


def _names(subnet: SubnetSpec) -> frozenset[str]:
    return frozenset(layer.name for layer in weighted_layers(subnet))
