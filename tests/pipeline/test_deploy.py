# SPDX-License-Identifier: Apache-2.0
"""The stage ``deploy`` on a small classifier: an input that is no ``pixel - 128``, and metadata that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.pipeline.conftest import TINY
from tests.pipeline.project import Project

from tinyformer.compression.onnx_builder import OnnxBuilder
from tinyformer.compression.quantize import quantize
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.data.normalization import normalize
from tinyformer.data.splits import load_splits
from tinyformer.ir.onnx_metadata import write_metadata
from tinyformer.ir.pixels import PIXELS, PixelRule


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a prepared data set."""
    project = Project.create(tmp_path_factory.mktemp("deploy"))
    project.tinyformer("compose", *TINY)
    project.run_stage("prepare")
    return project


@pytest.fixture(scope="module")
def classifier(project: Project) -> onnx.ModelProto:
    """The linear classifier of least squares, INT8, with an input range that cuts off a tenth of the pixels."""
    splits = load_splits(project.root / "data/processed/digits")
    train = normalize(splits.train.images).numpy()
    rows = np.column_stack([train.reshape(len(train), -1), np.ones(len(train))])
    solution = np.linalg.lstsq(rows, np.eye(10)[splits.train.labels], rcond=1e-3)[0].astype(np.float32)
    builder = OnnxBuilder()
    weights, bias = builder.constant("weights", solution[:-1].T), builder.constant("bias", solution[-1])
    flat = builder.reshape("flat", "input", (0, -1))
    logits = builder.node("Gemm", "logits", [flat, weights, bias], transB=1)
    model = builder.model("linear", {"input": ("batch", *train.shape[1:])}, {logits: ("batch", 10)})
    return quantize(model, train, QuantizationConfig(input="observed", observer="percentile", percentile=90))


def compiled(project: Project, model: onnx.ModelProto, pixels: PixelRule) -> Path:
    """Run ``codegen`` on ``model``, whose file says ``pixels``."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    write_metadata(model, pixels, [str(digit) for digit in range(10)])
    path = project.root / "outputs/model.onnx"
    onnx.save(model, path)
    project.run_stage("codegen")
    return path


def test_an_observed_input_is_deployed_as_it_was_quantized(project: Project, classifier: onnx.ModelProto) -> None:
    compiled(project, classifier, PIXELS)
    project.run_stage("deploy")
    figures = json.loads((project.root / "outputs/metrics/deploy.json").read_text("utf-8"))
    assert figures["accuracy_onnxruntime"] > 0.8
    assert figures["accuracy_int8"] == pytest.approx(figures["accuracy_onnxruntime"], abs=0.01)
    assert figures["agreement_onnxruntime"] > 0.98

    readme = (project.root / "outputs/firmware/README.md").read_text("utf-8")
    for figure in ("flash_bytes", "sram_bytes"):
        assert f"| {figures[figure]:,} bytes: " in readme
    assert f"| {figures['cycles']:,} (simulated stm32f746" in readme
    assert f"| {figures['latency_ms']:.3f} ms |" in readme
    assert (project.root / "outputs/firmware/include/quickstart_stm32f746.h").is_file()


def test_another_network_than_onnxruntime_runs_is_not_deployed(project: Project, classifier: onnx.ModelProto) -> None:
    compiled(project, classifier, PixelRule(PIXELS.offset, PIXELS.scale / 8))
    result = project.run_stage("deploy", ok=False)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr, result.stderr
    assert "The compiled model and onnxruntime differ in the class of" in result.stderr
