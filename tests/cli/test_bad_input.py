# SPDX-License-Identifier: Apache-2.0
"""Whatever a user hands over: one clear sentence, a non-zero exit, and nothing already made is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from onnx import helper
from tests.cli.models import quantization, save_onnx, small_model

from tinyformer.cli import main

Make = Callable[[Path], list[str]]
CHECKOUT = Path(__file__).parents[2]


def _run(arguments: list[str], directory: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(directory)
    monkeypatch.setenv("COLUMNS", "1000")
    return CliRunner().invoke(main, arguments)


def unknown_operator(directory: Path) -> list[str]:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("NonMaxSuppressionX", ["d"], ["n"], name="strange_node", domain=""),
        helper.make_node("QuantizeLinear", ["n", "scale", "zero"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "scale", "zero"], ["y"]),
    ]
    save_onnx(directory / "model.onnx", nodes, quantization())
    return ["compile", "model.onnx", "-o", "package"]


def float_model(directory: Path) -> list[str]:
    save_onnx(directory / "model.onnx", [helper.make_node("Relu", ["x"], ["y"], name="relu")])
    return ["compile", "model.onnx", "-o", "package"]


def truncated_model(directory: Path) -> list[str]:
    float_model(directory)
    path = directory / "model.onnx"
    path.write_bytes(path.read_bytes()[:40])
    return ["compile", "model.onnx", "-o", "package"]


def unwritable_output(directory: Path) -> list[str]:
    small_model(directory)
    (directory / "file").write_text("not a directory")
    return ["compile", "model.onnx", "-o", "file/package"]


def foreign_output(directory: Path) -> list[str]:
    small_model(directory)
    (directory / "precious").mkdir()
    (directory / "precious" / "thesis.txt").write_text("keep me")
    return ["compile", "model.onnx", "-o", "precious"]


def unknown_mcu(directory: Path) -> list[str]:
    small_model(directory)
    return ["compile", "model.onnx", "-o", "package", "--mcu", "stm32f764"]


def damaged_mcu_file(directory: Path) -> list[str]:
    small_model(directory)
    (directory / "mine.yaml").write_text("name: mine\nclock_hz: fast\n")
    return ["compile", "model.onnx", "-o", "package", "--mcu", "mine.yaml"]


def not_firmware(directory: Path) -> list[str]:
    (directory / "song.elf").write_bytes(b"\x7fELF but not really")
    return ["simulate", "song.elf"]


def input_of_another_shape(directory: Path) -> list[str]:
    small_model(directory)
    assert CliRunner().invoke(main, ["compile", "model.onnx", "-o", "package", "--no-simulate"]).exit_code == 0
    np.save(directory / "x.npy", np.zeros((2, 3, 3), np.uint8))
    return ["simulate", "package", "--input", "x.npy"]


def pixels_for_a_model_that_says_nothing_of_them(directory: Path) -> list[str]:
    arguments = input_of_another_shape(directory)
    np.save(directory / "x.npy", np.zeros((2, 8, 8, 4), np.uint8))
    return arguments


def damaged_input(directory: Path) -> list[str]:
    input_of_another_shape(directory)
    (directory / "x.npy").write_bytes(b"\x93NUMPY")
    return ["simulate", "package", "--input", "x.npy"]


def damaged_summary(directory: Path) -> list[str]:
    (directory / "summary.json").write_text("{")
    return ["report", "summary.json", "summary.json"]


CASES: dict[str, tuple[Make, list[str]]] = {
    "unknown ONNX operator": (unknown_operator, ["NonMaxSuppressionX", "strange_node", "8"]),
    "float model": (float_model, ["quantize"]),
    "truncated model": (truncated_model, ["model.onnx"]),
    "missing model": (lambda _: ["compile", "none.onnx", "-o", "package"], ["none.onnx"]),
    "output below a file": (unwritable_output, ["file/package"]),
    "output that holds something else": (foreign_output, ["precious"]),
    "unknown MCU": (unknown_mcu, ["stm32f764", "stm32f746"]),
    "damaged MCU file": (damaged_mcu_file, ["mine.yaml"]),
    "unknown engine settings": (
        lambda d: (small_model(d), ["compile", "model.onnx", "-o", "package", "--engine", "turbo"])[1],  # type: ignore[func-returns-value]
        ["turbo", "default"],
    ),
    "firmware that is none": (not_firmware, ["song.elf"]),
    "missing firmware": (lambda _: ["simulate", "none.elf"], ["none.elf"]),
    "input of another shape": (input_of_another_shape, ["x.npy", "8, 8, 4"]),
    "pixels for a model without a rule": (pixels_for_a_model_that_says_nothing_of_them, ["pixels", "metadata"]),
    "damaged input": (damaged_input, ["x.npy"]),
    "damaged summary": (damaged_summary, ["summary.json"]),
    "no project": (lambda _: ["repro"], ["dvc.yaml"]),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_ends_in_a_sentence(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, words = CASES[case]
    monkeypatch.chdir(tmp_path)
    arguments = make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = _run(arguments, tmp_path, monkeypatch)
    assert result.exit_code != 0, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    for word in words:
        assert word in result.output, result.output
    assert "Traceback" not in result.output
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert before.items() <= after.items(), "something already made was lost"


@pytest.mark.parametrize("command", [[], ["repro"], ["compose"], ["compile"], ["simulate"], ["report"]])
def test_every_command_explains_itself(command: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output
