# SPDX-License-Identifier: Apache-2.0
"""The zoo keeps finished networks, compiles them again and notices what changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from click.testing import CliRunner
from tests.compression.networks import random_images, random_subnet, residual_hybrid

from tinyformer.cli import main
from tinyformer.compression.export import to_float_onnx
from tinyformer.compression.quantize import quantize
from tinyformer.config.compose import compose
from tinyformer.config.location import conf_directory
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.run.profile import profile_package
from tinyformer.errors import TinyFormerError
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.pipeline import zoo
from tinyformer.sparsenas.genome import Genome


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a finished experiment leaves behind, with a network nobody trained."""
    root = tmp_path_factory.mktemp("finished")
    (root / "outputs").mkdir()
    composition = compose(conf_directory())
    (root / "params.yaml").write_text(composition.text)
    spec = residual_hybrid("relu")
    images = random_images(16, spec).numpy()
    onnx.save(quantize(to_float_onnx(random_subnet(spec)), images, QuantizationConfig()), root / "outputs/model.onnx")
    (root / "outputs/subnet.yaml").write_text(yaml.safe_dump(Genome.of(spec, {}).to_dict()))
    config = composition.config
    model = compile_graph(import_onnx(root / "outputs/model.onnx"), config.mcu, config.engine, "small")
    measured = profile_package(model.write(root / "package"), config.mcu)
    summary = {
        "accuracy_int8": 0.9, "cycles": round(measured.cycles), "dataset": "digits",
        "flash_bytes": measured.flash_bytes, "latency_ms": measured.latency_ms, "mcu": config.mcu.name,
        "params_nonzero": 1234, "sram_bytes": measured.sram_bytes,
    }  # fmt: skip
    (root / "outputs/summary.json").write_text(json.dumps(summary))
    return root


@pytest.fixture(scope="module")
def stored(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo with that network."""
    directory = tmp_path_factory.mktemp("zoo")
    zoo.add("small", project, directory)
    return directory


def test_what_was_stored_is_listed_compiled_and_verified(stored: Path, tmp_path: Path) -> None:
    listed = CliRunner().invoke(main, ["zoo", "list", "--zoo", str(stored)])
    assert "small" in listed.output and "90.00%" in listed.output
    got = CliRunner().invoke(main, ["zoo", "get", "small", "--zoo", str(stored), "-o", str(tmp_path / "package")])
    assert got.exit_code == 0, got.output
    assert "bit-exact" in got.output
    assert (tmp_path / "package/src").is_dir()


def test_storing_again_replaces_and_gives_the_same_bytes(stored: Path, project: Path) -> None:
    before = {path.name: path.read_bytes() for path in (stored / "small").iterdir()}
    result = CliRunner().invoke(main, ["zoo", "add", "small", str(project), "--zoo", str(stored)])
    assert result.exit_code == 0, result.output
    assert {path.name: path.read_bytes() for path in (stored / "small").iterdir()} == before


def test_a_changed_model_is_refused(stored: Path, project: Path, tmp_path: Path) -> None:
    entry = zoo.add("changed", project, tmp_path)
    entry.model.write_bytes(entry.model.read_bytes() + b" ")
    with pytest.raises(TinyFormerError, match="not the model that was stored"):
        zoo.restore(entry, tmp_path / "package")


def test_figures_that_got_worse_are_named(project: Path, tmp_path: Path) -> None:
    entry = zoo.add("faster", project, tmp_path)
    figures = dict(entry.figures)
    figures["cycles"] = int(np.floor(figures["cycles"] * 0.9))
    with pytest.raises(TinyFormerError, match="cycles and was stored with"):
        zoo.restore(zoo.Entry(entry.directory, figures), tmp_path / "package")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["get", "unknown"], "no network 'unknown': there are small"),
        (["add", "not a name"], "no name for a network"),
        (["add", "unfinished", "{empty}"], "summary.json is missing"),
    ],
)
def test_mistakes_are_explained(stored: Path, tmp_path: Path, arguments: list[str], words: str) -> None:
    words_in = [argument.format(empty=tmp_path) for argument in arguments]
    result = CliRunner().invoke(main, ["zoo", *words_in, "--zoo", str(stored)])
    assert result.exit_code == 1
    assert words in " ".join(result.output.split())
