"""Small random supernets for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tinyformer.nets.supernet_spec import (
    BlockChoices,
    ConvChoices,
    InvertedResidualChoices,
    SkipChoice,
    StageChoices,
    SupernetSpec,
    TransformerChoices,
)


def some(*values: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    """A non-empty ascending choice of ``values``."""
    return st.sets(st.sampled_from(values), min_size=1).map(lambda chosen: tuple(sorted(chosen)))


@st.composite
def positions(draw: st.DrawFn, first: bool, size: int) -> tuple[BlockChoices, ...]:
    """What one position of a stage, on a feature map of ``size`` pixels, may hold."""
    kinds = [
        st.builds(ConvChoices, some(1, 3, 5)),
        st.builds(InvertedResidualChoices, some(3, 5, 7), some(1, 2, 3)),
    ]
    if not first:
        pools = some(*(pool for pool in (1, 2, 4) if size % pool == 0))
        kinds += [
            st.builds(TransformerChoices, some(1, 2), some(1, 2, 3), some(4, 6, 8), some(0.5, 1.0, 2.0), pools),
            st.just(SkipChoice()),
        ]
    chosen = draw(st.sets(st.integers(0, len(kinds) - 1), min_size=1, max_size=3))
    return tuple(draw(kinds[index]) for index in sorted(chosen))


@st.composite
def supernet_specs(draw: st.DrawFn) -> SupernetSpec:
    """A supernet of one or two stages for images of some pixels."""
    image_size, stem_stride = draw(st.sampled_from([5, 8, 12])), draw(st.sampled_from([1, 2]))
    size = -(-image_size // stem_stride)
    stages = []
    for _ in range(draw(st.integers(1, 2))):
        stride = draw(st.sampled_from([1, 2]))
        size = -(-size // stride)
        count = draw(st.integers(1, 3))
        stages.append(
            StageChoices(draw(some(4, 8, 12)), stride, tuple(draw(positions(j == 0, size)) for j in range(count)))
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
