# SPDX-License-Identifier: Apache-2.0
"""Hostile inputs to the single commands: a sentence and a status, within bounded time."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.chaos.commands import Tinyformer
from tests.chaos.pipeline_attacks import Peace
from tests.damaged_files import damaged

_COMMANDS = 8
"""A few seconds each."""

_WORDS = (
    "sparsity.target=2", "seed=-1", "seed=99999999999999999999", "finetune.epochs=1e300", "data.root=[/]",
    "mcu=../../etc/passwd", "experiment=nothing", "data.root=${oc.env:HOME}", "a.b.c=1", "limits.flash_bytes=-5", "=",
    "[", "seed=!!python/object:os.system", "finetune.learning_rate=nan", "mcu.name='[bold]'", "+x=1", "~seed",
    "sparsity=s80,s90", "data.name=a\nb", "seed=🙂",
)  # fmt: skip
"""Overrides that people and attackers have written."""


def hostile_inputs(peace: Peace, place: Path, rng: random.Random) -> str:
    """Damaged models, firmware, arrays, descriptions, results; overrides that mean nothing."""
    outputs = peace.project.root / "outputs"
    place.mkdir(parents=True)
    tinyformer = Tinyformer(place, peace.project.environment())
    said = []
    for i in range(_COMMANDS):
        name = rng.choice(sorted(_INPUTS))
        arguments = _INPUTS[name](peace, outputs, place / f"input_{i}", rng)
        ended = tinyformer.run(arguments, place / f"{i}.log")
        ended.must("Traceback" not in ended.output, f"{name}: a traceback")
        ended.must(ended.status >= 0, f"{name}: ended by signal {-ended.status}")
        ended.must(ended.status == 0 or bool(ended.output.strip()), f"{name}: failed without a word")
        said.append(f"{name} {ended.status}")
    return ", ".join(said)


def _model(peace: Peace, outputs: Path, place: Path, rng: random.Random) -> list[str]:
    path = _damaged_copy(outputs / "model.onnx", place, rng)
    return ["compile", str(path), "-o", str(place / "package")]


def _firmware(peace: Peace, outputs: Path, place: Path, rng: random.Random) -> list[str]:
    found = sorted((peace.project.root / "outputs").rglob("*.elf"))
    path = _damaged_copy(rng.choice(found), place, rng)
    return ["simulate", str(path), "--limit", "20000000"]


def _noise(peace: Peace, outputs: Path, place: Path, rng: random.Random) -> list[str]:
    place.mkdir()
    path = place / f"noise.{rng.choice(['onnx', 'tflite', 'elf', 'hex', 'bin'])}"
    path.write_bytes(rng.randbytes(rng.randrange(5000)))
    if path.suffix in (".onnx", ".tflite"):
        return ["compile", str(path), "-o", str(place / "package")]
    return ["simulate", str(path), "--limit", "1000000"]


def _description(peace: Peace, outputs: Path, place: Path, rng: random.Random) -> list[str]:
    path = _damaged_copy(peace.project.root / "conf" / "mcu" / "stm32f746.yaml", place, rng)
    return ["compile", str(outputs / "model.onnx"), "--mcu", str(path), "-o", str(place / "package")]


def _images(peace: Peace, outputs: Path, place: Path, rng: random.Random) -> list[str]:
    package = outputs / "firmware"
    place.mkdir()
    shape = tuple(rng.choice([0, 1, 3, 8, 28, 1000]) for _ in range(rng.randrange(5)))
    kind = rng.choice(["uint8", "float32", "int8", "float64", "complex64", "U3"])
    np.save(place / "whole.npy", np.zeros(shape if np.prod(shape, dtype=float) < 1e6 else (0,), kind))
    path = place / "images.npy"
    content = (place / "whole.npy").read_bytes()
    path.write_bytes(damaged(content, np.random.default_rng(rng.randrange(1 << 30))) if rng.random() < 0.5 else content)
    return ["simulate", str(package), "--input", str(path), "--functional"]


def _result(peace: Peace, outputs: Path, place: Path, rng: random.Random) -> list[str]:
    shutil.copytree(outputs, place / "outputs", symlinks=True)
    shutil.copy(peace.project.root / "params.yaml", place / "params.yaml")
    files = [path for path in (place / "outputs").rglob("*") if path.suffix in (".json", ".yaml", ".npz", ".wandb")]
    path = rng.choice(sorted(files))
    content = damaged(path.read_bytes(), np.random.default_rng(rng.randrange(1 << 30)))
    path.unlink()
    path.write_bytes(content)
    return ["compare", str(peace.project.root), str(place), "-o", str(place / "comparison.html")]


def _overrides(peace: Peace, outputs: Path, place: Path, rng: random.Random) -> list[str]:
    shutil.copytree(peace.project.root / "conf", place / "conf")
    return ["space", *rng.sample(_WORDS, rng.randint(1, 2))]


_INPUTS: dict[str, Callable[[Peace, Path, Path, random.Random], list[str]]] = {
    "model": _model,
    "firmware": _firmware,
    "noise": _noise,
    "description": _description,
    "images": _images,
    "result": _result,
    "overrides": _overrides,
}


def _damaged_copy(source: Path, place: Path, rng: random.Random) -> Path:
    place.mkdir()
    path = place / source.name
    path.write_bytes(damaged(source.read_bytes(), np.random.default_rng(rng.randrange(1 << 30))))
    return path
