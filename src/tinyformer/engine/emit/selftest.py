# SPDX-License-Identifier: Apache-2.0
"""The package's self-test: one input and the output that every correct build must give for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyformer.engine.schedule.outputs import output_slots
from tinyformer.ir.graph import Graph, Int8Array
from tinyformer.ir.reference import execute_all

_CANDIDATES = 4
"""Random inputs to choose from."""


@dataclass(frozen=True)
class SelfTest:
    """``image`` is the input, flat; ``expected`` what the caller's output buffer then holds, zeros between outputs."""

    image: Int8Array
    expected: Int8Array


def make_selftest(graph: Graph) -> SelfTest:
    """The random input whose outputs, by the reference, take the most different values: most errors change them."""
    shape = graph.tensors[graph.input].shape
    images = np.random.default_rng(0).integers(-128, 128, (_CANDIDATES, *shape), np.int8)
    slots = output_slots(graph.tensors[name].size for name in graph.outputs)
    best = SelfTest(images[0].reshape(-1), np.zeros(0, np.int8))
    for image in images:
        values = execute_all(graph, image[None])
        expected = np.zeros(sum(slots[-1]), np.int8)
        for name, (offset, size) in zip(graph.outputs, slots, strict=True):
            expected[offset : offset + size] = values[name].reshape(-1)
        if len(np.unique(expected)) > len(np.unique(best.expected)):
            best = SelfTest(image.reshape(-1), expected)
    return best
