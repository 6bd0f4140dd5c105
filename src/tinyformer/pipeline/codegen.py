# SPDX-License-Identifier: Apache-2.0
"""Stage ``codegen``: the INT8 model as a C package for the microcontroller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyformer.budget import Budget
from tinyformer.engine.compiler import compile_graph
from tinyformer.engine.emit.c_text import identifier
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.stage import Stage, run_stage


def codegen(stage: Stage) -> Mapping[str, Any]:
    """Write ``codegen/``, the package; the metrics are what is known of the model before it runs."""
    config = stage.config
    name = identifier(f"{config.experiment}_{config.mcu.name}")
    budget = Budget.of(config.limits, config.mcu)
    compiled = compile_graph(import_onnx(artifacts.MODEL), config.mcu, config.engine, name, budget)
    compiled.write(artifacts.CODEGEN)
    names = ("macs", "macs_executed", "constants_bytes", "arena_bytes", "arena_lower_bound")
    return {name: compiled.report[name] for name in names} | {"layers": len(compiled.report["layers"])}


if __name__ == "__main__":
    run_stage("codegen", codegen)
