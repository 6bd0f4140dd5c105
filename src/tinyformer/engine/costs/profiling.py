# SPDX-License-Identifier: Apache-2.0
"""Profiling of kernels: sample networks, compiled as any other and timed in the simulator, make a :class:`CostTable`.

Each layer of each sample is one observation of its kernel.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.compiler import CompiledModel, compile_graph
from tinyformer.engine.costs.features import Features, kernel_key, measured_features
from tinyformer.engine.costs.samples import POOLED, samples
from tinyformer.engine.costs.synthetic import synthetic_graph
from tinyformer.engine.costs.table import CostTable, fit_cycles
from tinyformer.engine.run.code_sizes import code_bytes_by_source
from tinyformer.engine.run.elf_sizes import firmware_sizes
from tinyformer.engine.run.firmware import build_firmware
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph
from tinyformer.mcu.simulator.simulator import Simulator

NAME = "sample"
"""Name of the sample models."""

_FEWEST = 4
"""Samples that a table takes at least."""


@dataclass(frozen=True)
class LayerSample:
    """Cycles and bytes of one layer of a sample; ``parameter_bytes`` is what packing does not know of."""

    kernel: str
    counts: Features
    cycles: int
    parameter_bytes: int


@dataclass(frozen=True)
class SampleProfile:
    """One compiled and simulated model."""

    layers: tuple[LayerSample, ...]
    cycles: int
    """All layers of one inference."""
    flash_bytes: int
    sram_bytes: int
    """Arena and reserved stack."""
    constant_bytes: int
    """Constants that packing knows of."""
    code_bytes: dict[str, int]
    """Code by source file."""


def profile_kernels(
    mcu: McuConfig,
    config: EngineConfig,
    *,
    networks: int = 16,
    seed: int = 0,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> CostTable:
    """Measure the kernels on ``mcu`` with ``networks`` sample networks, those that fit it; deterministic.

    Kernels that none of them runs are measured on :data:`.samples.POOLED`.
    ``on_progress`` is called with how many are done and how many there are. Raises :class:`TinyFormerError` if too few
    samples fit the microcontroller, or one fails on it.
    """
    graphs = [synthetic_graph(spec, plan, seed + i, NAME) for i, (spec, plan) in enumerate(samples(networks, seed))]
    measurements = []
    with ThreadPoolExecutor(workers) as executor:
        results = executor.map(lambda graph: _profile_if_it_fits(graph, mcu, config), graphs)
        for done, measurement in enumerate(results, start=1):
            if measurement is not None:
                measurements.append(measurement)
            if on_progress is not None:
                on_progress(done, len(graphs))
    if len(measurements) < min(networks, _FEWEST):
        raise TinyFormerError(
            f"Only {len(measurements)} of {networks} sample networks fit {mcu.name}, too few to measure its kernels: "
            "choose a larger mcu."
        )
    pooled = [_profile_if_it_fits(synthetic_graph(spec, {}, seed, NAME), mcu, config) for spec in POOLED]
    return table_of(mcu.name, measurements, [measurement for measurement in pooled if measurement is not None])


def _profile_if_it_fits(graph: Graph, mcu: McuConfig, config: EngineConfig) -> SampleProfile | None:
    try:
        model = compile_graph(graph, mcu, config, NAME)
    except TinyFormerError:  # the compiler's only complaint about a lowered network is its size
        return None
    return profile_model(model, mcu, config)


def profile_graph(graph: Graph, mcu: McuConfig, config: EngineConfig) -> SampleProfile:
    """Compile ``graph`` and measure it. Raises :class:`TinyFormerError` if it does not fit or fails."""
    return profile_model(compile_graph(graph, mcu, config, NAME), mcu, config)


def profile_model(model: CompiledModel, mcu: McuConfig, config: EngineConfig) -> SampleProfile:
    """Link ``model`` and run one inference on the simulated ``mcu``."""
    graph = model.schedule.graph
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as directory:
        elf = build_firmware(model.write(Path(directory) / NAME), mcu)
        image = np.random.default_rng(0).integers(-128, 128, graph.tensors[graph.input].size).astype(np.int8)
        run = Simulator(mcu).run(elf, stdin=image.tobytes())
        if not run.ok:
            raise TinyFormerError(f"A sample network failed on the simulated {mcu.name}: {run.fault or run.reason}.")
        sizes = firmware_sizes(elf, mcu, NAME)
        code = code_bytes_by_source(elf, mcu)
    cycles = {layer.layer: layer.cycles for layer in run.layers}
    layers = _layer_samples(model, cycles, sizes.layers)
    return SampleProfile(
        layers=layers,
        cycles=sum(cycles.values()),
        flash_bytes=sizes.flash_bytes,
        sram_bytes=model.schedule.plan.arena_bytes + config.stack_bytes,
        constant_bytes=sum(step.implementation.constant_bytes for step in model.schedule.steps),
        code_bytes=code,
    )


def table_of(mcu: str, measurements: Sequence[SampleProfile], others: Sequence[SampleProfile] = ()) -> CostTable:
    """Fit a table to ``measurements``; ``others`` tell of the kernels that these lack."""
    by_kernel = _by_kernel(others) | _by_kernel(measurements)
    kernels = sorted(by_kernel)
    parameters = {name: int(np.median([layer.parameter_bytes for layer in by_kernel[name]])) for name in kernels}
    code: dict[str, int] = {}
    for measurement in (*measurements, *others):
        for source, size in measurement.code_bytes.items():
            code[source] = max(size, code.get(source, 0))
    kernel_code = {source: size for source, size in sorted(code.items()) if source.startswith("tf_")}
    fixed, call = _rest_of_flash(measurements, parameters)
    return CostTable(
        mcu=mcu,
        cycles={name: fit_cycles([(layer.counts, layer.cycles) for layer in by_kernel[name]]) for name in kernels},
        code_bytes=kernel_code,
        parameter_bytes=parameters,
        call_bytes=call,
        fixed_bytes=fixed,
    )


def _by_kernel(measurements: Sequence[SampleProfile]) -> dict[str, list[LayerSample]]:
    found: dict[str, list[LayerSample]] = defaultdict(list)
    for measurement in measurements:
        for layer in measurement.layers:
            found[layer.kernel].append(layer)
    return found


def _rest_of_flash(measurements: Sequence[SampleProfile], parameters: dict[str, int]) -> tuple[float, float]:
    """Bytes that every firmware has, and those that each layer adds beside its constants: a straight line."""
    rest = [
        measurement.flash_bytes
        - measurement.constant_bytes
        - sum(parameters[layer.kernel] for layer in measurement.layers)
        - sum(size for source, size in measurement.code_bytes.items() if source.startswith("tf_"))
        for measurement in measurements
    ]
    line = np.polyfit([len(measurement.layers) for measurement in measurements], rest, 1)
    return round(float(line[1]), 3), round(float(line[0]), 3)


def _layer_samples(model: CompiledModel, cycles: dict[int, int], constants: dict[int, int]) -> tuple[LayerSample, ...]:
    return tuple(
        LayerSample(
            kernel=kernel_key(step.op, step.implementation.kernel),
            counts=measured_features(step.op, model.schedule.graph.tensors, step.implementation),
            cycles=cycles[number],
            parameter_bytes=constants.get(number, 0) - step.implementation.constant_bytes,
        )
        for number, step in enumerate(model.schedule.layers)
    )
