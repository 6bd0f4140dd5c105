# SPDX-License-Identifier: Apache-2.0
"""Small random supernets for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.nets.kinds import choices, some
from tinyformer.nets.kinds import KINDS
from tinyformer.nets.kinds.base import Choices
from tinyformer.nets.spec import DOWNSAMPLES, Downsample
from tinyformer.nets.supernet_spec import StageChoices, SupernetSpec


@st.composite
def positions(draw: st.DrawFn, first: bool, size: int) -> tuple[Choices, ...]:
    """What one position of a stage, on a feature map of ``size`` pixels, may hold."""
    kinds = sorted(kind for kind, found in KINDS.items() if found.block.first or not first)
    chosen = draw(st.sets(st.sampled_from(kinds), min_size=1, max_size=3))
    return tuple(draw(choices(kind, size)) for kind in sorted(chosen))


def downsamples(before: int, stride: int) -> st.SearchStrategy[tuple[Downsample, ...]]:
    """Ways to divide the side of ``before`` pixels by ``stride``."""
    ways = DOWNSAMPLES if before % stride == 0 else ("stride",)
    chosen = st.sets(st.sampled_from(ways), min_size=1)
    return chosen.map(lambda some_ways: tuple(way for way in DOWNSAMPLES if way in some_ways))


@st.composite
def supernet_specs(draw: st.DrawFn) -> SupernetSpec:
    """A supernet of one or two stages for images of some pixels."""
    image_size, stem_stride = draw(st.sampled_from([5, 8, 12])), draw(st.sampled_from([1, 2]))
    size = -(-image_size // stem_stride)
    stages = []
    for _ in range(draw(st.integers(1, 2))):
        stride = draw(st.sampled_from([1, 2]))
        before, size = size, -(-size // stride)
        count = draw(st.integers(1, 3))
        stages.append(
            StageChoices(
                draw(some(4, 8, 12)),
                stride,
                tuple(draw(positions(j == 0, size)) for j in range(count)),
                draw(downsamples(before, stride)),
            )
        )
    return SupernetSpec(
        image_size=image_size,
        channels=draw(st.sampled_from([1, 3])),
        classes=draw(st.integers(2, 5)),
        activation=draw(st.sampled_from(["relu", "relu6", "hardswish", "silu"])),
        stem_widths=draw(some(4, 8)),
        stem_kernel=draw(st.sampled_from([1, 3])),
        stem_stride=stem_stride,
        stages=tuple(stages),
        head_widths=draw(st.one_of(st.just((0,)), some(4, 16))),
    )
