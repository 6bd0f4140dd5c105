# SPDX-License-Identifier: Apache-2.0
"""Models that end earlier than their files say."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner, Result

from tests.ir.qdq import QdqModel
from tests.ir.tflite_models import TfliteModel
from tinyformer.cli import main
from tinyformer.errors import TinyFormerError
from tinyformer.ir.cutting import cut_model
from tinyformer.ir.load import load_model


def detector(path: Path) -> list[str]:
    """A network whose last operator nobody compiles; the names of two feature maps before it."""
    m = QdqModel((1, 4, 6, 6))
    first = m.node("Conv", [m.input, m.weight((4, 4, 1, 1))])
    second = m.node("Relu", [m.quantized(first)])
    boxes = m.node("NonZero", [m.quantized(second)])
    onnx.save(m.model(boxes), path)
    return [first, second]


def compiled(path: Path, *arguments: str) -> Result:
    package = str(path.with_name("package"))
    return CliRunner().invoke(main, ["compile", str(path), "-o", package, "--no-simulate", *arguments])


def test_an_onnx_model_ends_behind_the_quantizer_of_what_is_named(tmp_path: Path) -> None:
    path = tmp_path / "detector.onnx"
    names = detector(path)
    assert "NonZero" in compiled(path).output
    result = compiled(path, "--outputs", ",".join(reversed(names)), "--verify", "2")
    assert result.exit_code == 0, result.output
    (tmp_path / "cut").mkdir()
    graph = load_model(cut_model(path, names[:1], tmp_path / "cut"))
    assert [type(op).__name__ for op in graph.ops] == ["Conv2D"]


def test_a_tflite_model_ends_at_a_tensor_inside(tmp_path: Path) -> None:
    m = TfliteModel((1, 6, 5, 4))
    inner = m.operator("LOGISTIC", [m.input], (1, 6, 5, 4), 1 / 256, -128)
    probabilities = m.operator("SOFTMAX", [inner], (1, 6, 5, 4), 1 / 256, -128, options="SoftmaxOptions", beta=1.0)
    path = tmp_path / "inner.tflite"
    path.write_bytes(m.content(probabilities))
    (tmp_path / "cut").mkdir()
    whole = load_model(path)
    name = whole.ops[0].output
    graph = load_model(cut_model(path, [name], tmp_path / "cut"))
    assert [type(op).__name__ for op in graph.ops] == ["Lut"] and len(whole.ops) == 2
    result = compiled(path, "--outputs", name, "--verify", "2")
    assert result.exit_code == 0, result.output
    with pytest.raises(TinyFormerError, match="has 1 outputs and cannot end at 2 tensors"):
        cut_model(path, [name, whole.outputs[0]], tmp_path / "cut")


def test_an_unknown_tensor_is_named_with_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "detector.onnx"
    names = detector(path)
    with pytest.raises(TinyFormerError, match=rf"has no tensor 'nothing' to end at.*{names[1]}"):
        cut_model(path, ["nothing"], tmp_path)
