# SPDX-License-Identifier: Apache-2.0
"""The outputs of a network in the caller's buffer: one after the other, each aligned."""

from __future__ import annotations

from collections.abc import Iterable

from tinyformer.engine.schedule.planner import align


def output_slots(sizes: Iterable[int]) -> list[tuple[int, int]]:
    """(offset, bytes) of each output, by the bytes of the outputs."""
    slots: list[tuple[int, int]] = []
    offset = 0
    for size in sizes:
        slots.append((offset, size))
        offset += align(size)
    return slots
