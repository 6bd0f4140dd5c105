# SPDX-License-Identifier: Apache-2.0
"""Section ``search_space``: the space of supernets that SuperNAS searches.

A supernet is drawn from it by choosing, for the stem and for every stage, one entry of each list; what remains open
(widths below the maximum, kinds of blocks, kernels, ...) is what the chosen supernet's own sub-networks differ in.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from tinyformer.config.base import Section


def _ascending(values: tuple[int, ...]) -> tuple[int, ...]:
    if not values:
        raise ValueError("at least one choice is needed")
    if any(low >= high for low, high in pairwise(values)):
        raise ValueError(f"the choices {list(values)} must be in ascending order without repetition")
    return values


def _width(value: int) -> int:
    if value % 4:
        raise ValueError(f"the width {value} is not a multiple of 4, the group in which weights are stored and pruned")
    return value


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"the kernel size {value} is even; kernels are centred on a pixel, so use 1, 3, 5, ...")
    return value


Width = Annotated[int, Field(ge=4), AfterValidator(_width)]
Kernel = Annotated[int, Field(ge=1, le=7), AfterValidator(_odd)]
Count = Annotated[int, Field(ge=1)]
Widths = Annotated[tuple[Width, ...], AfterValidator(_ascending)]
Kernels = Annotated[tuple[Kernel, ...], AfterValidator(_ascending)]
Counts = Annotated[tuple[Count, ...], AfterValidator(_ascending)]
Naturals = Annotated[tuple[Annotated[int, Field(ge=0)], ...], AfterValidator(_ascending)]
Fractions = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], AfterValidator(_ascending)]
Ratios = Annotated[tuple[Annotated[float, Field(gt=0)], ...], AfterValidator(_ascending)]
Convolution = Literal["conv", "mbconv", "residual", "bottleneck", "separable"]
"""Kinds of blocks that may be the first of a stage."""
Downsample = Literal["stride", "maxpool"]


class StemSpace(Section):
    """The first convolution."""

    widths: Widths
    """Candidate maximum widths, channels."""
    kernel: Kernel = 3
    strides: Counts


class ConvSpace(Section):
    """What a convolution, plain or depthwise-separable, chooses from inside a supernet."""

    kernels: Kernels


class InvertedResidualSpace(Section):
    """What an inverted residual block chooses from inside a supernet."""

    kernels: Kernels
    expansions: Counts


class ResidualSpace(Section):
    """What a residual block, of two convolutions, or a bottleneck, of one between two 1x1, chooses from."""

    kernels: Kernels = (3,)
    expansions: Ratios
    """Inner widths, relative to the stage's."""


class TransformerSpace(Section):
    """What a transformer block chooses from inside a supernet."""

    depths: Counts
    """Encoder layers a block."""
    heads: Counts
    head_dims: Counts
    """Channels a head."""
    mlp_ratios: Ratios
    """Hidden units of the MLP, relative to the stage's width."""
    pools: Counts
    """Down-sampling factors of keys and values; those that do not divide a stage's feature map
    are left out there, and if none divides it nothing is pooled."""


class BlockSpace(Section):
    """The kinds of blocks; a kind that no stage uses may be absent."""

    conv: ConvSpace | None = None
    mbconv: InvertedResidualSpace | None = None
    residual: ResidualSpace | None = None
    bottleneck: ResidualSpace | None = None
    separable: ConvSpace | None = None
    transformer: TransformerSpace | None = None


class StageSpace(Section):
    """A stage: some convolutional blocks, then transformer blocks, all at one resolution."""

    widths: Widths
    """Candidate maximum widths, channels."""
    strides: Counts
    """Candidate strides of the first block."""
    convolutions: Counts
    """Candidate numbers of convolutional blocks; all but the first may be skipped."""
    kinds: tuple[tuple[Convolution, ...], ...] = Field(min_length=1)
    """Candidate sets of kinds that the convolutional blocks choose from."""
    transformers: Naturals = (0,)
    """Candidate numbers of transformer blocks after the convolutional ones."""
    optional_transformers: bool | None = None
    """Whether sub-networks may skip them; null: as the space says."""
    downsample: tuple[Downsample, ...] = ("stride",)
    """How sub-networks lower the resolution: by the stride of the first block's convolution, or by a max pool before
    that block. A pool whose windows do not tile the feature map is left out."""
    blocks: BlockSpace = BlockSpace()
    """Kinds of blocks that choose from something else here than in the rest of the space."""

    @model_validator(mode="after")
    def _kinds_are_sets(self) -> StageSpace:
        for kinds in self.kinds:
            if not kinds or len(set(kinds)) < len(kinds):
                raise ValueError(f"each entry of kinds must name one or more kinds, each once, not {list(kinds)}")
        if not self.downsample or len(set(self.downsample)) < len(self.downsample):
            raise ValueError(f"downsample must name stride, maxpool or both, not {list(self.downsample)}")
        return self


class SearchSpaceConfig(Section):
    """The space of supernets."""

    activation: Literal["relu", "relu6", "hardswish", "silu"]
    width_ratios: Fractions
    """Elastic widths inside a supernet, as fractions of a stage's maximum rounded to multiples of 4; the last is 1."""
    stem: StemSpace
    blocks: BlockSpace
    stages: tuple[StageSpace, ...] = Field(min_length=1)
    optional_transformers: bool = False
    """Whether sub-networks may skip transformer blocks too; otherwise each holds all of its supernet's."""
    head_widths: Naturals = (0,)
    """Candidate maximum widths of the 1x1 head convolution, multiples of 4; 0: no head."""

    @model_validator(mode="after")
    def _consistent(self) -> SearchSpaceConfig:
        if self.width_ratios[-1] != 1.0:
            raise ValueError(
                f"width_ratios ends in {self.width_ratios[-1]} but must end in 1.0, the maximum width itself"
            )
        for width in self.head_widths:
            if width % 4:
                raise ValueError(f"the head width {width} is not a multiple of 4")
        for i, stage in enumerate(self.stages):
            used = {kind for kinds in stage.kinds for kind in kinds} | (
                {"transformer"} if stage.transformers[-1] else set()
            )
            for kind in sorted(used):
                if self.block_space(stage, kind) is None:
                    raise ValueError(
                        f"stages[{i}] uses {kind} blocks, but blocks.{kind} does not say what they choose from"
                    )
        return self

    def block_space(self, stage: StageSpace, kind: str) -> Section | None:
        """What blocks of ``kind`` choose from in ``stage``; None if nothing says so."""
        space: Section | None = getattr(stage.blocks, kind) or getattr(self.blocks, kind)
        return space
