# SPDX-License-Identifier: Apache-2.0
"""How pixels become INT8: the rule against onnxruntime's QuantizeLinear, and the metadata that carry it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tinyformer.errors import TinyFormerError
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.onnx_metadata import read_metadata, write_metadata
from tinyformer.ir.pixels import PIXELS, InputRule, PixelRule, pixels_of


def pool(scale: float = 0.1, zero_point: int = 0) -> onnx.ModelProto:
    """A quantized model from ``x`` (1, 2, 4, 4) to ``y`` (1, 2, 2, 2); its second output is the INT8 input."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("MaxPool", ["d"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("QuantizeLinear", ["m", "scale", "zero"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "scale", "zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "pool",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2, 4, 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            helper.make_tensor("scale", TensorProto.FLOAT, (), [scale]),
            helper.make_tensor("zero", TensorProto.INT8, (), [zero_point]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def quantized_by_onnxruntime(real: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    node = helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"])
    graph = helper.make_graph(
        [node],
        "quantize",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (None,))],
        [helper.make_tensor_value_info("q", TensorProto.INT8, (None,))],
        [
            helper.make_tensor("scale", TensorProto.FLOAT, (), [scale]),
            helper.make_tensor("zero", TensorProto.INT8, (), [zero_point]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": real})[0]


def test_one_step_a_pixel_loses_nothing() -> None:
    table = InputRule(PIXELS.scale, 0, PIXELS).table()
    np.testing.assert_array_equal(table, np.arange(256) - 128)


@given(
    scale=st.floats(2.0**-12, 0.125, width=32),
    zero_point=st.integers(-128, 127),
    rule=st.builds(PixelRule, st.floats(0, 255, width=32), st.sampled_from([1 / 255, 1 / 128, 1 / 64, 0.017, 1.0])),
)
def test_pixels_and_reals_become_what_onnxruntime_makes_of_them(scale: float, zero_point: int, rule: PixelRule) -> None:
    pixels = np.arange(256, dtype=np.uint8)
    rows = InputRule(scale, zero_point, rule)
    expected = quantized_by_onnxruntime(rule.real(pixels), scale, zero_point)
    np.testing.assert_array_equal(rows.table(), expected)
    image = pixels.reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(rows.from_pixels(image), expected.reshape(image.shape))
    np.testing.assert_array_equal(rows.from_real(rule.real(image)), expected.reshape(image.shape))


def test_ties_round_to_even_and_extremes_saturate() -> None:
    real = np.array([0.25, 0.75, -0.25, -0.75, 1e9, -1e9], np.float32)
    np.testing.assert_array_equal(InputRule(0.5, 0, None).from_real(real), [0, 2, 0, -2, 127, -128])


def test_a_model_without_a_rule_takes_no_pixels() -> None:
    graph = import_onnx(pool())
    assert (graph.pixels, graph.classes) == (None, ())
    with pytest.raises(TinyFormerError, match="does not say how raw pixels become its input"):
        graph.input_rule.from_pixels(np.zeros((1, 4, 4, 2), np.uint8))


def test_metadata_reach_the_graph() -> None:
    model = pool(scale=0.5, zero_point=3)
    helper.set_model_props(model, {"author": "somebody"})
    names = [f"ä{i}" for i in range(8)]
    write_metadata(model, PixelRule(10.0, 0.25), names)
    assert {entry.key for entry in model.metadata_props} > {"author", "tinyformer.layout"}
    graph = import_onnx(model)
    assert (graph.pixels, graph.classes) == (PixelRule(10.0, 0.25), tuple(names))
    np.testing.assert_array_equal(graph.input_rule.table()[[10, 12, 14, 16]], [3, 4, 5, 6])


def test_numbers_become_pixels_and_stay_in_the_model() -> None:
    rule = PixelRule(128.0, 1 / 128, numbers=(-80.0, 0.0))
    model = pool()
    write_metadata(model, rule, [])
    assert import_onnx(model).pixels == rule
    numbers = np.array([-1e9, -80, -80 + 80 / 255, -40, -1e-9, 0, 3])
    np.testing.assert_array_equal(pixels_of(numbers, (-80.0, 0.0)), [0, 0, 1, 128, 255, 255, 255])


def test_the_digest_is_that_of_the_file(tmp_path: Any) -> None:
    model = pool()
    onnx.save(model, tmp_path / "a.onnx")
    first = import_onnx(tmp_path / "a.onnx").sha256
    assert len(first) == 64
    model.doc_string = "other"
    onnx.save(model, tmp_path / "a.onnx")
    assert import_onnx(tmp_path / "a.onnx").sha256 != first


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("pixels", "{"),
        ("pixels", '{"offset": 1}'),
        ("pixels", '{"offset": "a", "scale": 1}'),
        ("pixels", '{"offset": 1, "scale": 1, "numbers": [1, 0]}'),
        ("classes", '"cat"'),
        ("classes", "[1]"),
        ("layout", '"NHWC"'),
    ],
)
def test_metadata_that_nobody_wrote_so_are_named(key: str, text: str) -> None:
    model = pool()
    helper.set_model_props(model, {f"tinyformer.{key}": text})
    with pytest.raises(TinyFormerError, match=f"metadata 'tinyformer.{key}' is not"):
        read_metadata(model)


def test_other_classes_than_outputs_are_refused() -> None:
    model = pool()
    helper.set_model_props(model, {"tinyformer.classes": json.dumps(["cat", "dog"])})
    with pytest.raises(TinyFormerError, match="names 2 classes in its metadata but has 8 outputs"):
        import_onnx(model)
