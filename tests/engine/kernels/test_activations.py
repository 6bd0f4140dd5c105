# SPDX-License-Identifier: Apache-2.0
"""Operators without weights: awkward shapes, extreme constants, operands at any address.

On this computer, and on the simulated microcontroller, where the assembly runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.engine.kernels import random_ops as make
from tests.engine.kernels.harness import check
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.run.firmware import build_firmware, run_firmware
from tinyformer.ir import arithmetic
from tinyformer.ir import graph as ir
from tinyformer.ir.reference import execute_all

IMAGES = 3

Make = Callable[[np.random.Generator], make.Case]


def loud_add(rng: np.random.Generator) -> make.Case:
    """An addition whose inputs are 100 times coarser than its output."""
    op, tensors = make.add(rng, (1, 43))
    assert isinstance(op, ir.Add)
    return replace(op, multiplier_a=25600, multiplier_b=-19000, offset=1 << 20, shift=8), tensors


def fine_softmax(rng: np.random.Generator) -> make.Case:
    """Results far beyond int16 before they saturate."""
    op, tensors = make.softmax(rng, (2, 21))
    assert isinstance(op, ir.Softmax)
    return replace(op, numerator=(1 << 32) - 1, sum_shift=17), tensors


def loud_layer_norm(rng: np.random.Generator) -> make.Case:
    """Results far beyond int16 before they saturate."""
    op, tensors = make.layer_norm(rng, (3, 27))
    assert isinstance(op, ir.LayerNorm)
    return replace(op, post_shift=11), tensors


def flat_layer_norm(rng: np.random.Generator) -> make.Case:
    """The largest factors of a row, and no epsilon to speak of."""
    op, tensors = make.layer_norm(rng, (2, 1024))
    assert isinstance(op, ir.LayerNorm)
    return replace(op, epsilon=1), tensors


def turned(rng: np.random.Generator, heads: int, queries: int, keys: int, width: int) -> make.Case:
    """Scores with the result transposed."""
    op, tensors = make.scores(rng, heads, queries, keys, width)
    assert isinstance(op, ir.BatchMatMul)
    return replace(op, y_strides=(queries * keys, 1, queries)), tensors


def loud_context(rng: np.random.Generator) -> make.Case:
    """A ratio of scales that takes a shift."""
    op, tensors = make.context(rng, 2, 9, 6, 7)
    assert isinstance(op, ir.BatchMatMul)
    return replace(op, requantization=arithmetic.requantization(3.7, 5, -100, 90)), tensors


def permuted(rng: np.random.Generator, shape: tuple[int, ...], permutation: tuple[int, ...]) -> make.Case:
    out = tuple(shape[axis] for axis in permutation)
    op = ir.Transpose("transpose", ("x",), "y", permutation)
    return op, make.tensors(make.tensor(rng, "x", shape), make.tensor(rng, "y", out))


FAMILIES: dict[str, list[Make]] = {
    "add": [
        *(lambda rng, n=n: make.add(rng, (1, n)) for n in (1, 3, 7, 8, 9, 16, 29, 64, 127)),
        loud_add,
    ],
    "lut": [lambda rng, n=n: make.lut(rng, (1, n)) for n in (1, 5, 8, 11, 16, 24, 33, 130)],
    "softmax": [
        *(lambda rng, n=n: make.softmax(rng, (3, n)) for n in (1, 4, 7, 8, 9, 15, 16, 17, 50, 64, 300)),
        fine_softmax,
    ],
    "layer norm": [
        *(lambda rng, n=n: make.layer_norm(rng, (3, n)) for n in (1, 3, 4, 5, 8, 11, 12, 16, 31, 96, 1021)),
        loud_layer_norm,
        flat_layer_norm,
    ],
    "mul": [
        *(lambda rng, n=n: make.mul(rng, (3, n), broadcast=n % 2 == 0) for n in (1, 4, 7, 8, 9, 30, 64)),
    ],
    "pool": [
        *(
            lambda rng, c=c, largest=largest: make.pool(
                rng, (5, 6, c), (3, 2), (2, 1), padding=(1, 1, 0, 1), largest=largest
            )
            for c in (1, 3, 4, 9, 16)
            for largest in (False, True)
        ),
        lambda rng: make.pool(rng, (7, 5, 12), (7, 5), (1, 1)),
        lambda rng: make.pool(rng, (33, 20, 7), (33, 20), (1, 1)),
        lambda rng: make.pool(rng, (1, 600, 6), (1, 600), (1, 1)),
    ],
    "copy": [
        *(lambda rng, c=c: make.concat(rng, [(1, 3, 4, c), (1, 3, 4, 2), (1, 3, 4, 21)], 3) for c in (1, 4, 7, 16)),
        *(lambda rng, c=c: make.cut(rng, (1, 3, 4, c), 3) for c in (2, 9, 33)),
    ],
    "transpose": [
        lambda rng: make.transpose(rng, (2, 3, 4, 5)),
        *(
            lambda rng, p=p: permuted(rng, (2, 5, 9, 6), p)
            for p in ((0, 1, 3, 2), (0, 2, 1, 3), (3, 1, 2, 0), (0, 3, 1, 2))
        ),
        *(lambda rng, s=s: permuted(rng, s, (1, 0)) for s in ((1, 5), (4, 4), (9, 11), (16, 3), (3, 16))),
    ],
    "batch matmul": [
        *(
            lambda rng, h=h, q=q, k=k, w=w: make.scores(rng, h, q, k, w)
            for h, q, k, w in ((2, 9, 7, 8), (3, 5, 6, 7), (1, 4, 2, 1), (2, 8, 11, 5))
        ),
        *(
            lambda rng, h=h, q=q, k=k, w=w: make.context(rng, h, q, k, w)
            for h, q, k, w in ((2, 9, 8, 12), (3, 5, 7, 5), (1, 4, 3, 2), (2, 6, 13, 10))
        ),
        lambda rng: make.scattered_matmul(rng, 3, 4, 5, 6),
        lambda rng: turned(rng, 2, 7, 5, 9),
        lambda rng: turned(rng, 1, 3, 8, 4),
        loud_context,
    ],
}


def together(cases: Iterable[make.Case]) -> ir.Graph:
    """One graph of all ``cases``: their inputs lie one after the other, at odd addresses, in the graph's input."""
    tensors: dict[str, ir.Tensor] = {}
    ops: list[ir.Op] = []
    outputs: list[str] = []
    end = 0
    for number, (op, given) in enumerate(cases):
        names = {name: f"{number} {name}" for name in given}
        tensors |= {names[name]: replace(tensor, name=names[name]) for name, tensor in given.items()}
        for name in op.inputs:
            begin, end = end + 1, end + 1 + given[name].size
            flat = f"{names[name]} flat"
            tensors[flat] = ir.Tensor(flat, (1, given[name].size), 1.0, 0)
            ops.append(ir.Slice(f"slice {names[name]}", ("x",), flat, 1, begin, end))
            ops.append(ir.Reshape(f"shape {names[name]}", (flat,), names[name]))
        ops.append(
            replace(op, name=f"case {number}", inputs=tuple(names[n] for n in op.inputs), output=names[op.output])
        )
        outputs.append(names[op.output])
    tensors["x"] = ir.Tensor("x", (1, end), 1.0, 0)
    return ir.Graph("kernels", "x", tuple(outputs), tensors, ops)


@pytest.mark.parametrize("family", FAMILIES)
def test_host_equals_reference(family: str, build: Path) -> None:
    rng = np.random.default_rng([*map(ord, family)])
    for case in FAMILIES[family]:
        check(build, *case(rng), rng)


@pytest.mark.parametrize("family", FAMILIES)
def test_firmware_equals_reference(family: str, mcu: McuConfig, tmp_path: Path) -> None:
    rng = np.random.default_rng([*map(ord, family)])
    graph = together([case(rng) for case in FAMILIES[family]])
    images = rng.integers(-128, 128, (IMAGES, *graph.tensors["x"].shape)).astype(np.int8)
    images[0] = rng.choice(np.array([-128, 127], np.int8), images[0].shape)
    images[1] = images[1] // 64  # nearly constant rows
    expected = execute_all(graph, images)
    directory = compile_graph(graph, mcu, EngineConfig(), "kernels").write(tmp_path / "kernels")
    run = run_firmware(build_firmware(directory, mcu), mcu, images, directory=directory, mode="functional")
    for name, output in zip(graph.outputs, run.outputs, strict=True):
        np.testing.assert_array_equal(output.reshape(IMAGES, -1), expected[name].reshape(IMAGES, -1), err_msg=name)
