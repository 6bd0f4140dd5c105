# SPDX-License-Identifier: Apache-2.0
"""What a supernet is: every choice that one set of shared weights offers. Plain frozen dataclasses, free of torch.

A :class:`SupernetSpec` is to its supernet what :class:`~tinyformer.nets.spec.SubnetSpec` is to a single path. It draws,
recombines and recognises sub-networks; all randomness comes from the ``numpy`` generator handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tinyformer.errors import TinyFormerError
from tinyformer.nets.choice_rules import WIDTH_STEP, ascending_problems, stage_problems
from tinyformer.nets.choices import (
    Position,
    StageChoices,
    allows,
    corner,
    draw,
    draw_block,
    mix,
    parse_choices,
)
from tinyformer.nets.kinds import KINDS
from tinyformer.nets.kinds.base import Choices
from tinyformer.nets.kinds.bottleneck import BottleneckChoices
from tinyformer.nets.kinds.conv import ConvChoices
from tinyformer.nets.kinds.inverted_residual import InvertedResidualChoices
from tinyformer.nets.kinds.residual import ResidualChoices
from tinyformer.nets.kinds.skip import SkipChoice
from tinyformer.nets.kinds.transformer import TransformerChoices
from tinyformer.nets.spec import (
    Activation,
    Block,
    Downsample,
    StageSpec,
    SubnetSpec,
    downsampled,
    plain,
    weighted_layers,
)

__all__ = [
    "BottleneckChoices",
    "Choices",
    "ConvChoices",
    "InvertedResidualChoices",
    "ResidualChoices",
    "SkipChoice",
    "StageChoices",
    "SupernetSpec",
    "TransformerChoices",
]


@dataclass(frozen=True)
class SupernetSpec:
    """A supernet: input, stem, stages, head. The rules of :mod:`tinyformer.nets.spec` are checked when one is made.

    Every tuple of choices is in ascending order without repetition. ``head_widths`` is ``(0,)`` for a network without a
    head convolution. Raises :class:`TinyFormerError` where a rule is broken.
    """

    image_size: int
    channels: int
    classes: int
    activation: Activation
    stem_widths: tuple[int, ...]
    stem_kernel: int
    stem_stride: int
    stages: tuple[StageChoices, ...]
    head_widths: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        problem = next(_problems(self), None)
        if problem is not None:
            raise TinyFormerError(f"Impossible supernet: {problem}.")

    @staticmethod
    def of(spec: SubnetSpec) -> SupernetSpec:
        """The supernet whose only sub-network is ``spec``. Raises :class:`TinyFormerError` if that breaks a rule."""
        return SupernetSpec(
            image_size=spec.image_size,
            channels=spec.channels,
            classes=spec.classes,
            activation=spec.activation,
            stem_widths=(spec.stem_width,),
            stem_kernel=spec.stem_kernel,
            stem_stride=spec.stem_stride,
            stages=tuple(
                StageChoices(
                    (stage.width,),
                    stage.stride,
                    tuple((KINDS[block.kind].only(block),) for block in stage.blocks),
                    (stage.downsample,),
                )
                for stage in spec.stages
            ),
            head_widths=(spec.head_width,),
        )

    def feature_sizes(self) -> list[int]:
        """Side of the (square) feature map that each stage works on, in pixels."""
        sizes = []
        size = downsampled(self.image_size, self.stem_stride)
        for stage in self.stages:
            size = downsampled(size, stage.stride)
            sizes.append(size)
        return sizes

    def count(self) -> int:
        """Number of sub-networks."""
        return len(self.stem_widths) * len(self.head_widths) * math.prod(stage.count() for stage in self.stages)

    def sample(self, rng: np.random.Generator) -> SubnetSpec:
        """One sub-network: widths, kinds of blocks and their attributes each drawn uniformly."""
        return self._subnet(
            stem_width=draw(self.stem_widths, rng),
            stages=tuple(
                StageSpec(
                    draw(stage.widths, rng),
                    stage.stride,
                    tuple(draw_block(position, rng) for position in stage.positions),
                    draw(stage.downsamples, rng),
                )
                for stage in self.stages
            ),
            head_width=draw(self.head_widths, rng),
        )

    def largest(self) -> SubnetSpec:
        """The sub-network with the most multiply-accumulates."""
        return self._extreme(-1, max)

    def smallest(self) -> SubnetSpec:
        """The sub-network with the fewest multiply-accumulates."""
        return self._extreme(0, min)

    def widest(self) -> SubnetSpec:
        """A sub-network of the largest widths; its blocks are the dearest of each position's first kind."""
        return self._corner(-1)

    def contains(self, spec: SubnetSpec) -> bool:
        """Whether ``spec`` is a path through this supernet."""
        return (
            spec == self._subnet(spec.stem_width, spec.stages, spec.head_width)
            and spec.stem_width in self.stem_widths
            and spec.head_width in self.head_widths
            and len(spec.stages) == len(self.stages)
            and all(
                stage.width in choices.widths
                and stage.stride == choices.stride
                and stage.downsample in choices.downsamples
                and len(stage.blocks) == len(choices.positions)
                and all(map(allows, choices.positions, stage.blocks))
                for stage, choices in zip(spec.stages, self.stages, strict=True)
            )
        )

    def mutate(self, spec: SubnetSpec, rng: np.random.Generator, rate: float) -> SubnetSpec:
        """``spec`` with each width and each block drawn anew with probability ``rate``.

        A block whose new draw is of the kind it had keeps each of its attributes with probability one half, so that
        small steps are as likely as large ones. The result may equal ``spec``.
        """

        def width(current: int, choices: tuple[int, ...]) -> int:
            return draw(choices, rng) if rng.random() < rate else current

        def downsample(current: Downsample, choices: tuple[Downsample, ...]) -> Downsample:
            return draw(choices, rng) if len(choices) > 1 and rng.random() < rate else current

        def block(current: Block, position: Position) -> Block:
            return mix(draw_block(position, rng), current, rng) if rng.random() < rate else current

        return self._subnet(
            stem_width=width(spec.stem_width, self.stem_widths),
            stages=tuple(
                StageSpec(
                    width(stage.width, choices.widths),
                    choices.stride,
                    tuple(block(old, position) for old, position in zip(stage.blocks, choices.positions, strict=True)),
                    downsample(stage.downsample, choices.downsamples),
                )
                for stage, choices in zip(spec.stages, self.stages, strict=True)
            ),
            head_width=width(spec.head_width, self.head_widths),
        )

    def crossover(self, a: SubnetSpec, b: SubnetSpec, rng: np.random.Generator) -> SubnetSpec:
        """Each width and each block from ``a`` or ``b``, equally likely; blocks of one kind mix their attributes."""
        return self._subnet(
            stem_width=draw((a.stem_width, b.stem_width), rng),
            stages=tuple(
                StageSpec(
                    draw((left.width, right.width), rng),
                    left.stride,
                    tuple(
                        mix(*((x, y) if rng.random() < 0.5 else (y, x)), rng)
                        for x, y in zip(left.blocks, right.blocks, strict=True)
                    ),
                    draw(tuple(dict.fromkeys((left.downsample, right.downsample))), rng),
                )
                for left, right in zip(a.stages, b.stages, strict=True)
            ),
            head_width=draw((a.head_width, b.head_width), rng),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and dicts, for YAML and JSON."""
        document: dict[str, Any] = plain(asdict(self))
        return document

    @staticmethod
    def from_dict(data: dict[str, Any]) -> SupernetSpec:
        """Inverse of :meth:`to_dict`. Raises :class:`TinyFormerError` on anything else."""
        try:
            stages = tuple(
                StageChoices(
                    tuple(stage["widths"]),
                    stage["stride"],
                    tuple(tuple(parse_choices(item) for item in position) for position in stage["positions"]),
                    tuple(stage.get("downsamples", ("stride",))),
                )
                for stage in data["stages"]
            )
            return SupernetSpec(**{**_tupled(data), "stages": stages})
        except (KeyError, TypeError, AttributeError) as error:
            raise TinyFormerError(f"This is not the description of a supernet: {error}.") from error

    def _subnet(self, stem_width: int, stages: tuple[StageSpec, ...], head_width: int) -> SubnetSpec:
        return SubnetSpec(
            image_size=self.image_size,
            channels=self.channels,
            classes=self.classes,
            activation=self.activation,
            stem_width=stem_width,
            stem_kernel=self.stem_kernel,
            stem_stride=self.stem_stride,
            stages=stages,
            head_width=head_width,
        )

    def _corner(self, index: int) -> SubnetSpec:
        """Extreme widths and, of each position's first kind, attributes."""
        return self._subnet(
            stem_width=self.stem_widths[index],
            stages=tuple(
                StageSpec(
                    stage.widths[index],
                    stage.stride,
                    tuple(corner(position[0], index) for position in stage.positions),
                    stage.downsamples[index],
                )
                for stage in self.stages
            ),
            head_width=self.head_widths[index],
        )

    def _extreme(self, index: int, pick: Callable[..., SubnetSpec]) -> SubnetSpec:
        """Extreme widths and attributes (``index`` into the choices), then by position the kind that ``pick`` prefers.

        Exact, because what one block costs depends on the widths around it alone and grows with each attribute.
        """
        spec = self._corner(index)
        for i, stage in enumerate(self.stages):
            for j, position in enumerate(stage.positions):
                spec = pick((_with_block(spec, i, j, corner(choices, index)) for choices in position), key=_macs)
        return spec


def _macs(spec: SubnetSpec) -> int:
    return sum(layer.macs for layer in weighted_layers(spec))


def _with_block(spec: SubnetSpec, i: int, j: int, block: Block) -> SubnetSpec:
    """``spec`` with ``block`` as block ``j`` of stage ``i``."""
    stage = spec.stages[i]
    changed = replace(stage, blocks=(*stage.blocks[:j], block, *stage.blocks[j + 1 :]))
    return replace(spec, stages=(*spec.stages[:i], changed, *spec.stages[i + 1 :]))


def _problems(spec: SupernetSpec) -> Iterator[str]:
    """Sentences (without their full stop) about what ``spec`` breaks."""
    for name, value in (
        ("image_size", spec.image_size),
        ("channels", spec.channels),
        ("stem_stride", spec.stem_stride),
    ):
        if value < 1:
            yield f"{name} is {value} but must be at least 1"
    if spec.classes < 2:
        yield f"classes is {spec.classes} but a classifier needs at least 2"
    yield from ascending_problems("stem_widths", spec.stem_widths, multiple_of=WIDTH_STEP)
    yield from ascending_problems("stem_kernel", (spec.stem_kernel,), odd=True)
    if spec.head_widths != (0,):
        yield from ascending_problems("head_widths", spec.head_widths, multiple_of=WIDTH_STEP)
    if not spec.stages:
        yield "there is no stage"
    for i, stage in enumerate(spec.stages):
        if stage.stride < 1:
            yield f"stages[{i}].stride is {stage.stride} but must be at least 1"
    before, widths = downsampled(spec.image_size, spec.stem_stride), spec.stem_widths
    for i, (stage, size) in enumerate(zip(spec.stages, spec.feature_sizes(), strict=True)):
        changes = stage.stride > 1 or stage.widths != widths or len(widths) > 1
        yield from stage_problems(f"stages[{i}]", stage, before, size, changes=changes)
        before, widths = size, stage.widths


def _tupled(data: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
