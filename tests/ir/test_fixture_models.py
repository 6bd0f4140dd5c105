# SPDX-License-Identifier: Apache-2.0
"""Whole models of other tools (torch's exporter, onnxruntime's quantize_static) against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.fixture_agreement import quantized
from benchmarks.models import FIXTURES, build, images

from tests.ir.qdq import run_onnx
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute

LARGEST_DEVIATION = 6
"""LSB of the output; dropped intermediate roundings add up over the depth of a network."""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FIXTURES))
def test_fixture_model(name: str, tmp_path: Path) -> None:
    path = build(name, tmp_path / f"{name}.onnx")
    graph = import_onnx(path)
    assert graph.name == name
    x, _ = images(name, 40, seed=7)
    result = graph.tensors[graph.outputs[0]]
    y = execute(graph, quantized(x, graph.tensors[graph.input]))
    mine = (y.astype(np.float64) - result.zero_point) * result.scale
    theirs = run_onnx(path, x)[:, 0]
    assert np.abs(mine - theirs).max() <= LARGEST_DEVIATION * result.scale
    if name != "autoencoder":
        assert np.mean(mine.argmax(axis=1) == theirs.argmax(axis=1)) == 1.0
