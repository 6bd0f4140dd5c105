# SPDX-License-Identifier: Apache-2.0
"""The space of supernets: ``config.search_space`` as genes, and the supernet that a genome stands for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import yaml

from tinyformer.config.described import described
from tinyformer.config.search_space import SearchSpaceConfig, StageSpace
from tinyformer.nets.kinds import KINDS
from tinyformer.nets.kinds.base import Choices
from tinyformer.nets.spec import DOWNSAMPLES, downsampled
from tinyformer.nets.supernet_spec import SkipChoice, StageChoices, SupernetSpec

Genome: TypeAlias = tuple[int, ...]
"""For every gene the index of the value chosen."""


@dataclass(frozen=True)
class Gene:
    """One decision about the supernet: ``name`` as in the configuration, and the values to choose from."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class SubnetworkCounts:
    """Numbers of sub-networks: of the supernet that has the most, and of all supernets together (shared ones counted
    once for each)."""

    largest: int
    total: int

    def times(self, factor: int) -> SubnetworkCounts:
        """With ``factor`` more choices for each."""
        return SubnetworkCounts(self.largest * factor, self.total * factor)


_ONE = SubnetworkCounts(1, 1)

STAGE_GENES = ("widths", "strides", "convolutions", "kinds", "transformers")
"""What is decided about each stage."""


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

    def subnetworks(self) -> SubnetworkCounts:
        """How many sub-networks the supernets have, without building each of them."""
        config = self.config
        counts: dict[int, SubnetworkCounts] = {}
        for width, stride in product(config.stem.widths, config.stem.strides):
            _offer(counts, downsampled(self.image_size, stride), _ONE.times(len(self._elastic(width))))
        for space in config.stages:
            before, counts = counts, {}
            options = [dict(zip(STAGE_GENES, values, strict=True)) for values in product(*_stage_values(space))]
            for (size, count), option in product(before.items(), options):
                stage = self._stage(space, option, size)
                _offer(counts, downsampled(size, stage.stride), count.times(stage.count()))
        result: dict[int, SubnetworkCounts] = {}
        for count, head in product(counts.values(), config.head_widths):
            _offer(result, 0, count.times(len(self._elastic(head)) if head else 1))
        return result[0]

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
        size = downsampled(self.image_size, chosen["stem.strides"])
        stages = []
        for i, space in enumerate(config.stages):
            prefix = f"stages[{i}]."
            stage = {name.removeprefix(prefix): value for name, value in chosen.items() if name.startswith(prefix)}
            stages.append(self._stage(space, stage, size))
            size = downsampled(size, stage["strides"])
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

    def _stage(self, space: StageSpace, stage: dict[str, Any], before: int) -> StageChoices:
        """The stage that ``stage`` chose of ``space``, on a feature map of ``before`` x ``before`` pixels."""
        stride = stage["strides"]
        size = downsampled(before, stride)
        convolutions = tuple(self._block(space, kind, size) for kind in stage["kinds"])
        optional = (*convolutions, SkipChoice())
        transformer: tuple[Choices, ...] = ()
        if stage["transformers"]:
            transformer = (self._block(space, "transformer", size),)
            if self._optional_transformers(space):
                transformer = (*transformer, SkipChoice())
        positions = (
            convolutions,
            *(optional for _ in range(stage["convolutions"] - 1)),
            *(transformer for _ in range(stage["transformers"])),
        )
        possible = space.downsample if stride > 1 and before % stride == 0 else ("stride",)
        downsamples = tuple(way for way in DOWNSAMPLES if way in possible)
        return StageChoices(self._elastic(stage["widths"]), stride, positions, downsamples)

    def _optional_transformers(self, space: StageSpace) -> bool:
        own = space.optional_transformers
        return self.config.optional_transformers if own is None else own

    def _block(self, space: StageSpace, kind: str, size: int) -> Choices:
        section = self.config.block_space(space, kind)
        assert section is not None  # the configuration's validation excludes it
        return KINDS[kind](**dict(section)).fitted(size)

    def _elastic(self, maximum: int) -> tuple[int, ...]:
        """Elastic widths up to ``maximum``: its fractions ``width_ratios``, rounded to multiples of 4."""
        return tuple(sorted({max(4, round(maximum * ratio / 4) * 4) for ratio in self.config.width_ratios}))


def load_space(path: Path) -> SearchSpaceConfig:
    """Read a space from a YAML file of the form of ``conf/search_space``.

    Raises:
        TinyFormerError: the file cannot be read, is not YAML, or describes no space (named with the key).
    """
    with described("search space", path):
        return SearchSpaceConfig.model_validate(yaml.safe_load(path.read_bytes()))


def _genes(config: SearchSpaceConfig) -> Iterator[Gene]:
    yield Gene("stem.widths", config.stem.widths)
    yield Gene("stem.strides", config.stem.strides)
    for i, stage in enumerate(config.stages):
        for name, values in zip(STAGE_GENES, _stage_values(stage), strict=True):
            yield Gene(f"stages[{i}].{name}", values)
    yield Gene("head_widths", config.head_widths)


def _stage_values(stage: StageSpace) -> list[tuple[Any, ...]]:
    return [getattr(stage, name) for name in STAGE_GENES]


def _offer(counts: dict[int, SubnetworkCounts], size: int, more: SubnetworkCounts) -> None:
    """Add ``more`` networks that end in feature maps of ``size`` pixels."""
    known = counts.get(size, SubnetworkCounts(0, 0))
    counts[size] = SubnetworkCounts(max(known.largest, more.largest), known.total + more.total)
