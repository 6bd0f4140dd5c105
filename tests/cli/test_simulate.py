# SPDX-License-Identifier: Apache-2.0
"""A package from the command line: raw pixels, real values and INT8 are the same image, and classes have names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from tests.cli.models import small_model

from tinyformer.cli import main
from tinyformer.ir.onnx_metadata import write_metadata
from tinyformer.ir.pixels import PixelRule

RULE = PixelRule(10.0, 0.25)
CLASSES = [f"class [{i}]" for i in range(64)]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_all_forms_of_an_image_give_the_same_named_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    small_model(tmp_path)
    model = onnx.load("model.onnx")
    write_metadata(model, RULE, CLASSES)
    onnx.save(model, "model.onnx")
    run("compile", "model.onnx", "-o", "package", "--no-simulate")

    pixels = np.random.default_rng(0).integers(0, 60, (2, 8, 8, 4)).astype(np.uint8)
    real = RULE.real(pixels)
    integers = np.clip(np.rint(real / np.float32(0.1)), -128, 127).astype(np.int8)
    outputs = []
    for name, images in (("pixels", pixels), ("real", real), ("integers", integers)):
        np.save(f"{name}.npy", images)
        outputs.append(run("simulate", "package", "--input", f"{name}.npy", "--functional"))
    assert outputs[0] == outputs[1] == outputs[2]
    pooled = integers.reshape(2, 4, 2, 4, 2, 4).max(axis=(2, 4)).reshape(2, -1)
    for i, row in enumerate(pooled):
        assert f"image {i}: class {row.argmax()} (class [{row.argmax()}])" in outputs[0]


def test_names_of_layers_are_no_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    small_model(tmp_path)
    model = onnx.load("model.onnx")
    strange = "[red]bold[/red][/]"
    for node in model.graph.node:
        node.name = strange if node.op_type == "MaxPool" else node.name
    onnx.save(model, "model.onnx")
    assert strange in run("compile", "model.onnx", "-o", "package")


def test_json_tells_what_the_tables_do_with_the_models_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_model(tmp_path)
    compiled = CliRunner().invoke(main, ["compile", "model.onnx", "-o", "package", "--json"])
    report = json.loads(compiled.stdout)
    assert report["package"] == "package"
    assert report["measured"] == json.loads(Path("package/report.json").read_text())["measured"]
    assert report["verification"]["outputs"][0]["most"] <= 1

    names = {layer["name"] for layer in report["layers"]}
    simulated = CliRunner().invoke(main, ["simulate", "package", "--json", "--speedscope", "profile.json"])
    values = json.loads(simulated.stdout)
    assert {layer["name"] for layer in values["layers"]} == names
    assert values["inference"]["cycles"] == report["measured"]["cycles"]
    frames = json.loads(Path("profile.json").read_text())["shared"]["frames"]
    assert names <= {frame["name"] for frame in frames}


def test_the_tradeoff_measures_every_objective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_model(tmp_path)
    arguments = ["compile", "model.onnx", "-o", "package", "--verify", "0", "--tradeoff"]
    costs = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)["tradeoff"]
    assert [cost["objective"] for cost in costs] == ["latency", "sram", "flash", "balanced"]
    measured = json.loads(Path("package/report.json").read_text())["measured"]
    assert (costs[0]["cycles"], costs[0]["sram_bytes"]) == (measured["cycles"], measured["sram_bytes"])
    monkeypatch.setenv("COLUMNS", "1000")
    assert "1.000x" in run(*arguments)
