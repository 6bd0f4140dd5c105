# SPDX-License-Identifier: Apache-2.0
"""The zoo: finished networks with their evidence, small enough for Git, that compile again without any training.

An entry is a directory: ``model.onnx`` (INT8), ``subnet.yaml`` (architecture and sparsity), ``params.yaml`` (all that
made it) and ``figures.json`` (what was measured, and the digest of the model).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyformer.budget import Budget
from tinyformer.config.load import load_params
from tinyformer.config.root import Config
from tinyformer.engine.compiler import compile_graph, record_profile
from tinyformer.engine.emit.c_text import identifier
from tinyformer.engine.run.host import HostModel
from tinyformer.engine.run.profile import FirmwareProfile, check_budget, profile_package
from tinyformer.errors import TinyFormerError
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute
from tinyformer.keys import content_digest
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_json, write_json

ZOO = Path("zoo")
FIGURES = "figures.json"
_CHECKED_IMAGES = 2
"""Random images on which the host build must equal the reference."""

_FILES = {artifacts.MODEL: "model.onnx", artifacts.SUBNET_SPEC: "subnet.yaml", artifacts.PARAMS: "params.yaml"}
_TOLERANCE = 0.01
"""A later engine may be better; one that is worse by more than this share is said to be so."""


@dataclass(frozen=True)
class Entry:
    """A stored network."""

    directory: Path
    figures: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return self.directory.name

    @property
    def model(self) -> Path:
        """The INT8 model."""
        return self.directory / "model.onnx"

    def configuration(self) -> Config:
        """What made it. Raises :class:`TinyFormerError` where the file is missing or damaged."""
        return load_params(self.directory / "params.yaml")


def entries(zoo: Path = ZOO) -> list[Entry]:
    """All stored networks, by name; none where there is no zoo. Raises :class:`TinyFormerError` for damaged figures."""
    return [Entry(path.parent, read_json(path)) for path in sorted(zoo.glob(f"*/{FIGURES}"))]


def find(name: str, zoo: Path = ZOO) -> Entry:
    """The network ``name``. Raises :class:`TinyFormerError` naming those there are."""
    known = {entry.name: entry for entry in entries(zoo)}
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "it is empty"
        raise TinyFormerError(f"{zoo} holds no network '{name}': {there}; list them with `tinyformer zoo list`.")
    return known[name]


def add(name: str, project: Path, zoo: Path = ZOO) -> Entry:
    """Store the finished experiment of the directory ``project`` as ``name``; an entry of that name is replaced.

    Raises :class:`TinyFormerError` where the experiment is not finished or the name is none.
    """
    if identifier(name) != name:
        raise TinyFormerError(f"'{name}' is no name for a network: take letters, digits and underscores.")
    figures = read_json(project / artifacts.SUMMARY)
    model = project / artifacts.MODEL
    for source in _FILES:
        if not (project / source).is_file():
            raise TinyFormerError(f"{project / source} is missing; run `tinyformer repro` in {project} first.")
    zoo.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=zoo, prefix=f".{name}.") as scratch:
        fresh = Path(scratch) / name
        fresh.mkdir()
        for source, target in _FILES.items():
            shutil.copyfile(project / source, fresh / target)
        write_json(fresh / FIGURES, {**figures, "model_sha256": _digest(model)})
        shutil.rmtree(zoo / name, ignore_errors=True)
        fresh.replace(zoo / name)
    return find(name, zoo)


def restore(entry: Entry, output: Path) -> FirmwareProfile:
    """Compile ``entry`` for its microcontroller into the package ``output`` and verify it.

    The host build must pass its self-test and equal the reference on random images, the firmware must fit, and its
    figures may not be worse than the stored ones. Raises :class:`TinyFormerError` where one of these does not hold.
    """
    if _digest(entry.model) != entry.figures["model_sha256"]:
        raise TinyFormerError(f"{entry.model} is not the model that was stored: restore it from Git.")
    config = entry.configuration()
    graph = import_onnx(entry.model)
    budget = Budget.of(config.limits, config.mcu)
    compile_graph(graph, config.mcu, config.engine, entry.name, budget).write(output)
    shape = (_CHECKED_IMAGES, *graph.tensors[graph.input].shape[1:])
    images = np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)
    host = HostModel(output)
    if host.selftest() or not np.array_equal(host.run(images), execute(graph, images)):
        raise TinyFormerError(
            f"The host build of {entry.name} differs from the reference: report it with {entry.model}."
        )
    measured = profile_package(output, config.mcu)
    record_profile(output, measured)
    check_budget(measured, config.mcu, budget)
    for name in ("flash_bytes", "sram_bytes", "cycles"):
        now, then = getattr(measured, name), entry.figures[name]
        if now > then * (1 + _TOLERANCE):
            raise TinyFormerError(
                f"{entry.name} now needs {now:,.0f} {name} and was stored with {then:,.0f}: report it with"
                f" {entry.model}, or compile it with the version that stored it."
            )
    return measured


def _digest(path: Path) -> str:
    try:
        return content_digest(path)
    except FileNotFoundError:
        raise TinyFormerError(f"{path} is missing: restore it from Git.") from None
