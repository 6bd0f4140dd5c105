# SPDX-License-Identifier: Apache-2.0
"""The wheel in an empty environment: what compiles and simulates models is light, and needs no checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.models import small_model

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("install")]

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "pytorch_lightning", "hydra", "wandb", "dvc", "plotly", "matplotlib")
MOST_BYTES = 700_000_000


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it asks for, nothing else."""
    directory = tmp_path_factory.mktemp("install")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", directory, ROOT], check=True)
    (wheel,) = directory.glob("tinyformer-*.whl")
    subprocess.run([sys.executable, "-m", "venv", directory / "venv"], check=True)
    python = directory / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", wheel], check=True)
    return directory / "venv"


def run(environment: Path, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [environment / "bin" / "tinyformer", *arguments], cwd=directory, capture_output=True, text=True, check=False
    )


def test_it_is_light(environment: Path) -> None:
    site = next((environment / "lib").glob("python*/site-packages"))
    assert not [name for name in HEAVY if (site / name).exists()]
    files = [path for path in environment.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


def test_it_compiles_and_simulates_outside_a_checkout(environment: Path, tmp_path: Path) -> None:
    small_model(tmp_path)
    compiled = run(environment, tmp_path, "compile", "model.onnx", "-o", "package", "--mcu", "stm32f407", "--json")
    assert compiled.returncode == 0, compiled.stderr
    report = json.loads(compiled.stdout)
    assert report["verification"]["runtime"].startswith("onnxruntime")
    simulated = run(environment, tmp_path, "simulate", "package", "--mcu", "stm32f407", "--json")
    assert simulated.returncode == 0, simulated.stderr
    assert json.loads(simulated.stdout)["inference"]["cycles"] == report["measured"]["cycles"] > 0


def test_the_pipelines_commands_name_their_extra(environment: Path, tmp_path: Path) -> None:
    assert run(environment, tmp_path, "--help").returncode == 0
    assert run(environment, tmp_path, "list", "mcu").returncode == 0
    refused = run(environment, tmp_path, "compose")
    assert refused.returncode == 1
    assert "tinyformer[pipeline]" in refused.stderr
    assert "Traceback" not in refused.stderr
