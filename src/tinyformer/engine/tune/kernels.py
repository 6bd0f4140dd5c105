# SPDX-License-Identifier: Apache-2.0
"""Kernel choice by measurement: every admissible way to run an operator, timed in the simulator.

All candidates of one operator run in one firmware, on the same random input, each as a layer of its own; nothing else
of the network is in it. So a measurement depends on the operator, its weights, the kernels and the microcontroller
alone: the cached and the fresh result are the same, and so is the choice.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from tinyformer.budget import Budget
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.emit import render_package
from tinyformer.engine.packing import Implementation
from tinyformer.engine.run.firmware import build_firmware, run_firmware
from tinyformer.engine.run.package_files import write_files
from tinyformer.engine.schedule.constants import Source
from tinyformer.engine.schedule.layer_report import build_report
from tinyformer.engine.schedule.patches import origin
from tinyformer.engine.schedule.steps import Schedule, Step, macs, scheduled
from tinyformer.ir.graph import Concat, Graph, Op, Pad, Rearrange, Reshape, Slice, Tensor, Transpose
from tinyformer.mcu.cache import cache_directory

_Figures = TypeVar("_Figures")

_NAME = "candidates"
IMAGES = 2
"""Random images that a firmware is timed with."""

_USABLE = 0.75
"""Share of the SRAM that the tensors of one operator may take: no single memory is as large as all of it."""
_MOVES = (Concat, Pad, Rearrange, Reshape, Slice, Transpose)
"""Operators that only move bytes: the order in which packing offers their kernels stands."""


class MeasuredChoice:
    """A rule that picks what takes the fewest cycles on ``mcu``; among equals the implementation that stores least.

    An instance is what :func:`tinyformer.engine.schedule.selection.lower_graph` takes as ``choose``. The order of
    packing stands for operators that only move bytes, that read a constant tensor, or whose tensors do not fit the
    memory as a whole.
    """

    def __init__(self, mcu: McuConfig, config: EngineConfig, budget: Budget) -> None:
        self._mcu = mcu
        self._config = config
        self._room = budget.sram_bytes - config.stack_bytes

    def __call__(self, op: Op, source: Source, candidates: Sequence[Implementation]) -> Implementation:
        """The fastest of ``candidates``."""
        tensors = [source.graph.tensors[name] for name in {*op.inputs, op.output}]
        need = sum(math.prod(tensor.shape) for tensor in tensors) + max(item.scratch_bytes for item in candidates)
        fits = need <= self._room * _USABLE
        if isinstance(op, _MOVES) or not fits or not source.constants.keys().isdisjoint(op.inputs):
            return candidates[0]
        cycles = measure_candidates(op, source.graph.tensors, candidates, self._mcu, self._config)
        order = sorted(range(len(candidates)), key=lambda i: (cycles[i], candidates[i].constant_bytes, i))
        return candidates[order[0]]


def measure_candidates(
    op: Op, tensors: Mapping[str, Tensor], candidates: Sequence[Implementation], mcu: McuConfig, config: EngineConfig
) -> list[float]:
    """Cycles of one execution of ``op`` by each of ``candidates``, from the cache if they were measured before.

    Raises:
        TinyFormerError: the firmware fails.
    """
    schedule = _side_by_side(op, tensors, candidates)
    files = render_package(schedule, _NAME, build_report(schedule, name=_NAME, mcu=mcu, config=config))
    key = tuning_key(files, mcu, config, config.optimize)
    return cached(key, lambda: _measure(schedule.graph, files, len(candidates), mcu))


def _measure(graph: Graph, files: Mapping[str, str], candidates: int, mcu: McuConfig) -> list[float]:
    images = np.random.default_rng(0).integers(-128, 128, (IMAGES, *graph.tensors[graph.input].shape), np.int8)
    with tempfile.TemporaryDirectory() as scratch:
        directory = write_files(files, Path(scratch) / _NAME)
        elf = build_firmware(directory, mcu)
        run = run_firmware(elf, mcu, images, directory=directory)
    return [run.layer_cycles[index] for index in range(candidates)]


def cached(key: str, measure: Callable[[], _Figures]) -> _Figures:
    """The figures, plain data, that are known by ``key``; measured where there are none."""
    path = cache_directory() / "measured" / f"{key}.json"
    if path.is_file():
        known: _Figures = json.loads(path.read_text(encoding="utf-8"))
        return known
    figures = measure()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as partial:
        json.dump(figures, partial)
    Path(partial.name).replace(path)
    return figures


def _side_by_side(op: Op, tensors: Mapping[str, Tensor], candidates: Sequence[Implementation]) -> Schedule:
    """Schedule of a graph whose input is cut into the inputs of the operator, with a step for each candidate.

    Each step has an output of its own; only the last one's is an output of the graph, the others are overwritten.
    """
    names = list(dict.fromkeys(op.inputs))
    sizes = [math.prod(tensors[name].shape) for name in names]
    source = Tensor("all inputs", (1, sum(sizes)), 1.0, 0)
    output = tensors[op.output]
    outputs = [replace(output, name=f"{op.output} {index}") for index in range(len(candidates))]
    known = {tensor.name: tensor for tensor in (source, *(tensors[name] for name in names), *outputs)}
    graph = Graph(_NAME, source.name, (outputs[-1].name,), known)
    steps = []
    begin = 0
    for name, size in zip(names, sizes, strict=True):
        cut = Slice(f"{name} of input", (source.name,), name, axis=1, begin=begin, end=begin + size)
        steps.append(Step(cut, Implementation("view", (), ()), 0, 0.0, ()))
        begin += size
    for tensor, candidate in zip(outputs, candidates, strict=True):
        part = replace(op, name=f"{origin(op.name)} {tensor.name}", output=tensor.name)
        # Inputs are read by every candidate, so none may work in place.
        steps.append(Step(part, replace(candidate, in_place=()), macs(op, tensors), 0.0, candidate.calls))
    graph.ops = [step.op for step in steps]
    return scheduled(Source(graph, {}), steps)


def tuning_key(files: Mapping[str, str], mcu: McuConfig, config: EngineConfig, optimize: str) -> str:
    """Hash of all that cycles depend on: the sources, the microcontroller, the optimization level."""
    said_of_the_model = {"validation", "validation_note", "uncertainty"}  # and no part of it
    chip = mcu.model_dump_json(exclude=said_of_the_model)
    digest = hashlib.sha256(f"{chip}\n{optimize}\n{config.stack_bytes}\n".encode())
    for path, text in files.items():
        if path.startswith(("src/", "include/", "example/")):
            digest.update(f"{path}\n{text}\n".encode())
    return digest.hexdigest()
