# SPDX-License-Identifier: Apache-2.0
"""The report of a compiled model: what is known before it runs, layer by layer, as plain data for ``report.json``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tinyformer import __version__
from tinyformer.config.engine import EngineConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.engine.schedule.patches import origin
from tinyformer.engine.schedule.steps import Schedule, Step
from tinyformer.ir.blocks import to_blocks
from tinyformer.ir.graph import Conv2D, Linear, Tensor

PACKAGE_FORMAT = 1
"""Version of what a package consists of: files, symbols, and the keys of its JSON files."""


def build_report(schedule: Schedule, *, name: str, mcu: McuConfig, config: EngineConfig) -> dict[str, Any]:
    """Sizes, tensors and layers.

    ``measured`` is filled in once the firmware has run (:mod:`tinyformer.engine.run.profile`).
    """
    graph, plan, executed = schedule.graph, schedule.plan, schedule.layers
    layers = [
        {
            "index": index,
            "name": step.op.name,
            "operator": type(step.op).__name__,
            "kernel": step.implementation.kernel,
            "encoding": step.implementation.encoding,
            "inputs": [list(graph.tensors[tensor].shape) for tensor in step.op.inputs],
            "output": list(graph.tensors[step.op.output].shape),
            "macs": step.macs,
            "macs_executed": executed_macs(step),
            "zero_fraction": round(step.zero_fraction, 6),
            "constants_bytes": step.implementation.constant_bytes,
            "scratch_bytes": step.implementation.scratch_bytes,
        }
        for index, step in enumerate(executed)
    ]
    return {
        "format": PACKAGE_FORMAT,
        "generator": f"TinyFormer {__version__}",
        "license": "Apache-2.0",
        "model": name,
        "model_sha256": graph.sha256 or None,
        "settings": config.model_dump(mode="json"),
        "mcu": mcu.name,
        "clock_hz": mcu.clock_hz,
        "optimize": config.optimize,
        "stack_bytes": config.stack_bytes,
        "input": _tensor(graph.tensors[graph.input]) | {"pixels": graph.pixels and graph.pixels.as_dict()},
        "outputs": [_tensor(graph.tensors[output]) for output in graph.outputs],
        "classes": list(graph.classes),
        "macs": sum(step.macs for step in executed),
        "macs_executed": sum(executed_macs(step) for step in executed),
        "constants_bytes": constants_bytes(schedule),
        "arena_bytes": plan.arena_bytes,
        "arena_lower_bound": plan.lower_bound,
        "layers": layers,
        "measured": None,
    }


def constants_bytes(schedule: Schedule) -> int:
    """Bytes of all constant arrays; the patches of one operator share equal ones."""
    distinct = {
        (origin(step.op.name), constant.c_type, constant.values.tobytes()): constant.nbytes
        for step in schedule.layers
        for constant in step.implementation.constants.values()
    }
    return sum(distinct.values()) + sum(value.nbytes for value in schedule.used_constants.values())


def executed_macs(step: Step) -> int:
    """Multiply-accumulates that the kernel performs: those of the blocks that its encoding keeps."""
    match = re.fullmatch(r"sparse (\d+)x(\d+)", step.implementation.encoding)
    if match is None or not isinstance(step.op, Conv2D | Linear):
        return step.macs
    weights = step.op.weights.reshape(len(step.op.weights), -1, step.op.weights.shape[-1])
    kept = to_blocks(weights, (int(match[1]), int(match[2]))).any(axis=(-2, -1))
    return round(step.macs * float(np.mean(kept)))


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "scale": tensor.scale,
        "zero_point": tensor.zero_point,
    }
