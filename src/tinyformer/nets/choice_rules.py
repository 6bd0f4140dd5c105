# SPDX-License-Identifier: Apache-2.0
"""The rules that the choices of a supernet's stages keep: each broken one as a sentence without its full stop."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from tinyformer.nets.choices import Position, StageChoices
from tinyformer.nets.spec import DOWNSAMPLES

WIDTH_STEP = 4
"""Widths are multiples of this: weights are stored, pruned and multiplied in groups of four inputs (``ir.blocks``)."""


def stage_problems(at: str, stage: StageChoices, before: int, size: int, *, changes: bool) -> Iterator[str]:
    """What ``stage``, called ``at``, breaks where it turns ``before`` x ``before`` pixels into ``size`` x ``size``.

    ``changes`` says whether its first block changes resolution or width.
    """
    yield from ascending_problems(f"{at}.widths", stage.widths, multiple_of=WIDTH_STEP)
    if not stage.downsamples or [way for way in DOWNSAMPLES if way in stage.downsamples] != list(stage.downsamples):
        ways = list(stage.downsamples)
        yield f"{at}.downsamples must be one or more of {list(DOWNSAMPLES)} in this order, not {ways}"
    if "maxpool" in stage.downsamples and stage.stride > 0 and before % stage.stride:
        yield f"{at}.downsamples: windows of {stage.stride} pixels do not tile the {before} x {before} feature map"
    if not stage.positions:
        yield f"{at} has no position for a block"
    for j, position in enumerate(stage.positions):
        yield from _position_problems(f"{at}.positions[{j}]", position, changes=changes and j == 0, size=size)


def ascending_problems(at: str, values: tuple[Any, ...], multiple_of: int = 1, odd: bool = False) -> Iterator[str]:
    """What keeps ``values`` from being an ascending choice of positive numbers, all multiples or all odd if asked."""
    if not values:
        yield f"{at} offers no choice"
    if any(low >= high for low, high in pairwise(values)):
        yield f"{at}: the choices {list(values)} are not in ascending order without repetition"
    for value in values:
        if value <= 0:
            yield f"{at}: {value} is not positive"
        elif multiple_of > 1 and value % multiple_of:
            yield f"{at}: {value} is not a multiple of {multiple_of}"
        elif odd and value % 2 == 0:
            yield f"{at}: {value} is not an odd number"


def _position_problems(at: str, position: Position, changes: bool, size: int) -> Iterator[str]:
    kinds = [choices.kind for choices in position]
    if not kinds or len(set(kinds)) < len(kinds):
        yield f"{at} must list one or more kinds of blocks, each once, not {kinds}"
    for choices in position:
        if changes and not choices.block.first:
            yield f"{at} is the first of its stage, and a {choices.kind} block cannot change stride and width"
        for name, values in vars(choices).items():
            if name != "kind":
                yield from ascending_problems(f"{at}.{choices.kind}.{name}", values, odd=name == "kernels")
        yield from (f"{at}.{choices.kind}.{problem}" for problem in choices.problems(size))
