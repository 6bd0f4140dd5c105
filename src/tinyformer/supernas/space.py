"""The space of supernets: ``config.search_space`` as genes, and the supernet that a genome stands for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from tinyformer.config.search_space import SearchSpaceConfig
from tinyformer.nets.supernet_spec import (
    BlockChoices,
    ConvChoices,
    InvertedResidualChoices,
    SkipChoice,
    StageChoices,
    SupernetSpec,
    TransformerChoices,
)

Genome: TypeAlias = tuple[int, ...]
"""For every gene the index of the value chosen."""


@dataclass(frozen=True)
class Gene:
    """One decision about the supernet: ``name`` as in the configuration, and the values to choose from."""

    name: str
    values: tuple[Any, ...]


class SupernetSpace:
    """All supernets of ``config`` for square images of ``image_size`` pixels and ``channels`` channels."""

    def __init__(self, config: SearchSpaceConfig, image_size: int, channels: int, classes: int) -> None:
        self.config = config
        self.image_size = image_size
        self.channels = channels
        self.classes = classes
        self.genes = tuple(_genes(config))

    def count(self) -> int:
        """Number of genomes."""
        return math.prod(len(gene.values) for gene in self.genes)

    def all(self) -> Iterator[Genome]:
        """Every genome."""
        return product(*(range(len(gene.values)) for gene in self.genes))

    def sample(self, rng: np.random.Generator) -> Genome:
        """A genome, each gene drawn uniformly."""
        return tuple(int(rng.integers(len(gene.values))) for gene in self.genes)

    def mutate(self, genome: Genome, rng: np.random.Generator, rate: float) -> Genome:
        """``genome`` with each gene drawn anew with probability ``rate``."""
        return tuple(new if rng.random() < rate else old for old, new in zip(genome, self.sample(rng), strict=True))

    def crossover(self, a: Genome, b: Genome, rng: np.random.Generator) -> Genome:
        """Each gene from ``a`` or ``b`` with equal probability."""
        return tuple(x if rng.random() < 0.5 else y for x, y in zip(a, b, strict=True))

    def choices(self, genome: Genome) -> dict[str, Any]:
        """The values that ``genome`` stands for, by gene."""
        return {gene.name: gene.values[index] for gene, index in zip(self.genes, genome, strict=True)}

    def build(self, genome: Genome) -> SupernetSpec:
        """The supernet that ``genome`` stands for."""
        config, chosen = self.config, self.choices(genome)
        size = -(-self.image_size // chosen["stem.strides"])
        stages = []
        for i in range(len(config.stages)):
            prefix = f"stages[{i}]."
            stage = {name.removeprefix(prefix): value for name, value in chosen.items() if name.startswith(prefix)}
            size = -(-size // stage["strides"])
            stages.append(self._stage(stage, size))
        head = chosen["head_widths"]
        return SupernetSpec(
            image_size=self.image_size,
            channels=self.channels,
            classes=self.classes,
            activation=config.activation,
            stem_widths=self._elastic(chosen["stem.widths"]),
            stem_kernel=config.stem.kernel,
            stem_stride=chosen["stem.strides"],
            stages=tuple(stages),
            head_widths=self._elastic(head) if head else (0,),
        )

    def _stage(self, stage: dict[str, Any], size: int) -> StageChoices:
        convolutions = tuple(self._block(kind, size) for kind in stage["kinds"])
        optional = (*convolutions, SkipChoice())
        transformer: tuple[BlockChoices, ...] = ()
        if stage["transformers"]:
            transformer = (self._block("transformer", size),)
            if self.config.optional_transformers:
                transformer = (*transformer, SkipChoice())
        positions = (
            convolutions,
            *(optional for _ in range(stage["convolutions"] - 1)),
            *(transformer for _ in range(stage["transformers"])),
        )
        return StageChoices(self._elastic(stage["widths"]), stage["strides"], positions)

    def _block(self, kind: str, size: int) -> BlockChoices:
        blocks = self.config.blocks
        match kind:
            case "conv" if blocks.conv:
                return ConvChoices(blocks.conv.kernels)
            case "mbconv" if blocks.mbconv:
                return InvertedResidualChoices(blocks.mbconv.kernels, blocks.mbconv.expansions)
            case "transformer" if blocks.transformer:
                space = blocks.transformer
                pools = tuple(pool for pool in space.pools if size % pool == 0) or (1,)
                return TransformerChoices(space.depths, space.heads, space.head_dims, space.mlp_ratios, pools)
        raise ValueError(f"no choices for {kind} blocks")  # the configuration's validation excludes it

    def _elastic(self, maximum: int) -> tuple[int, ...]:
        """Elastic widths up to ``maximum``: its fractions ``width_ratios``, rounded to multiples of 4."""
        return tuple(sorted({max(4, round(maximum * ratio / 4) * 4) for ratio in self.config.width_ratios}))


def _genes(config: SearchSpaceConfig) -> Iterator[Gene]:
    yield Gene("stem.widths", config.stem.widths)
    yield Gene("stem.strides", config.stem.strides)
    for i, stage in enumerate(config.stages):
        for name in ("widths", "strides", "convolutions", "kinds", "transformers"):
            yield Gene(f"stages[{i}].{name}", getattr(stage, name))
    yield Gene("head_widths", config.head_widths)
