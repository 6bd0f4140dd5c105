# SPDX-License-Identifier: Apache-2.0
"""Verification finds what is wrong, says where, and lets pass what rounding explains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from tests.ir.qdq import QdqModel, small_model
from tests.ir.tflite_models import small_tflite
from tinyformer.cli import main
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.errors import TinyFormerError
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Graph
from tinyformer.ir.load import load_model
from tinyformer.mcu.target import load_mcu
from tinyformer.verification.calibration import observed_ranges
from tinyformer.verification.verify import Verification, random_inputs, verify


@pytest.fixture
def mcu() -> McuConfig:
    return load_mcu("stm32f746")


@pytest.fixture(params=["onnx", "tflite"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / f"small.{request.param}"
    if request.param == "onnx":
        onnx.save(small_model(), file)
    else:
        file.write_bytes(small_tflite())
    return file


def checked(path: Path, graph: Graph, mcu: McuConfig, *, layers: bool = False, chip: bool = False) -> Verification:
    directory = path.with_name("package")
    compile_graph(graph, mcu, EngineConfig(), "model").write(directory)
    return verify(path, graph, directory, mcu if chip else None, random_inputs(graph, 3), layers=layers)


def wrong(graph: Graph) -> Graph:
    """``graph`` with a bias that is far off in its first convolution."""
    first = next(op for op in graph.ops if isinstance(op, ir.Conv2D))
    changed = replace(first, bias=first.bias + np.int32(60000))
    return replace(graph, ops=[changed if op is first else op for op in graph.ops])


def test_a_right_model_passes(path: Path, mcu: McuConfig) -> None:
    result = checked(path, load_model(path), mcu, chip=True)
    result.check()
    assert result.firmware_images == 1
    assert all(output.most <= 2 for output in result.outputs)


def test_a_wrong_model_is_an_error(path: Path, mcu: McuConfig) -> None:
    with pytest.raises(TinyFormerError, match="deviates from"):
        checked(path, wrong(load_model(path)), mcu).check()


def test_layers_show_where_it_drifts(path: Path, mcu: McuConfig) -> None:
    right = checked(path, load_model(path), mcu, layers=True)
    assert right.layers
    assert all(layer.most <= 2 for layer in right.layers)
    assert checked(path, wrong(load_model(path)), mcu, layers=True).layers[0].most > 5


def test_a_layer_by_itself_tells_a_mistake_from_what_it_passes_on(path: Path, mcu: McuConfig) -> None:
    right = checked(path, load_model(path), mcu, layers=True)
    assert right.alone and all(layer.is_explained for layer in right.alone)
    result = checked(path, wrong(load_model(path)), mcu)
    strange = [layer.deviation.name for layer in result.alone if not layer.is_explained]
    assert len(strange) == 1, "the layers behind it are right by themselves"
    with pytest.raises(TinyFormerError, match=f"'{strange[0]}' is the first layer that differs by itself"):
        result.check()


def test_layers_that_amplify_are_no_mistake(tmp_path: Path, mcu: McuConfig) -> None:
    """A mean's single steps, which other numbers are divided by; some of them are 0."""
    m = QdqModel((1, 8, 12, 12), seed=0, opset=13)
    mean = m.quantized(m.node("ReduceMean", [m.input], axes=[1], keepdims=1), scale=0.06, zero_point=1)
    file = tmp_path / "quotient.onnx"
    onnx.save(m.model(m.quantized(m.node("Div", [m.input, mean]), scale=0.3, zero_point=0)), file)
    result = checked(file, load_model(file), mcu)
    assert result.bound.is_exceeded_by(result.outputs[0])
    assert {layer.deviation.most for layer in result.alone} == {1.0}
    result.check()


def test_quantizers_with_an_axis_in_an_old_operator_set_are_compared(tmp_path: Path, mcu: McuConfig) -> None:
    m = QdqModel((1, 4, 6, 6), opset=11)
    weights = m.weight((4, 4, 3, 3))
    y = m.quantized(m.node("Conv", [m.input, weights], kernel_shape=[3, 3]), scale=0.05, zero_point=0)
    file = tmp_path / "old.onnx"
    onnx.save(m.model(y), file)
    result = checked(file, load_model(file), mcu)
    result.check()
    assert "converted to operator set" in result.runtime


def test_the_command_verifies_by_default(path: Path) -> None:
    directory = path.with_name("compiled")
    result = CliRunner().invoke(main, ["compile", str(path), "-o", str(directory), "--no-simulate"])
    assert result.exit_code == 0, result.output
    assert "agree to the bit" in result.output
    for option, part in (("0", "->"), ("layers", "LSB"), ("many", "neither a number")):
        result = CliRunner().invoke(
            main, ["compile", str(path), "-o", str(directory), "--no-simulate", "--verify", option]
        )
        assert part in result.output
        assert (result.exit_code == 0) == (option != "many")


def test_calibration_makes_finer_steps(tmp_path: Path) -> None:
    m = QdqModel((1, 12))
    y = m.node("Gemm", [m.input, m.weight((12, 7), 1), m.random((7,))])
    file, inputs = tmp_path / "float.onnx", tmp_path / "inputs.npy"
    onnx.save(m.model(y), file)
    np.save(inputs, m.real_input)
    ranges = observed_ranges(file, inputs)
    coarse, fine = load_model(file), load_model(file, ranges)
    assert coarse.wide_ranges
    assert not fine.wide_ranges
    assert fine.tensors[fine.outputs[0]].scale < coarse.tensors[coarse.outputs[0]].scale
    np.save(inputs, np.zeros((2, 5), np.float32))
    with pytest.raises(TinyFormerError, match=r"\(5,\).*12"):
        observed_ranges(file, inputs)
