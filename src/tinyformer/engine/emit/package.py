"""The delivered package: C sources, header, build files, examples, README, report and memory plan."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tinyformer.engine.emit.c_text import comment
from tinyformer.engine.emit.views import Layers, output_views, tensor_view
from tinyformer.engine.packing import KERNEL_DIRECTORY
from tinyformer.engine.planner import ALIGNMENT, MemoryPlan
from tinyformer.engine.selection import Step
from tinyformer.ir.graph import Graph

KERNEL_HEADER = "tf_kernels.h"
PREFIX_HEADER = "tf_prefix.h"

_TEMPLATES = {
    "model.h.j2": "include/{name}.h",
    "model.c.j2": "src/{name}.c",
    "weights.h.j2": "src/{name}_weights.h",
    "weights.c.j2": "src/{name}_weights.c",
    "prefix.h.j2": f"src/kernels/{PREFIX_HEADER}",
    "arduino.h.j2": "src/{name}_arduino.h",
    "main_host.c.j2": "example/main_host.c",
    "main_mcu.c.j2": "example/main_mcu.c",
    "CMakeLists.txt.j2": "CMakeLists.txt",
    "zephyr_CMakeLists.txt.j2": "zephyr/CMakeLists.txt",
    "zephyr_module.yml.j2": "zephyr/module.yml",
    "zephyr_Kconfig.j2": "zephyr/Kconfig",
    "library.properties.j2": "library.properties",
    "README.md.j2": "README.md",
}


def render_package(
    graph: Graph, name: str, steps: Sequence[Step], plan: MemoryPlan, report: Mapping[str, Any]
) -> dict[str, str]:
    """Every file of the package by its path inside it, in sorted order; the same arguments give the same bytes."""
    kernels = sorted({source for step in steps if step.calls for source in step.implementation.sources})
    context = {"name": name, "M": name.upper(), "model": _model(graph, name, steps, plan, kernels), "report": report}
    environment = Environment(
        loader=PackageLoader("tinyformer.engine.emit", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    files = {
        path.format(name=name): environment.get_template(template).render(context)
        for template, path in _TEMPLATES.items()
    }
    for source, text in _with_headers([KERNEL_HEADER, *kernels]).items():
        files.setdefault(f"src/kernels/{source}", text)
    files["report.json"] = to_json(report)
    files["memory_plan.json"] = to_json(plan.to_dict())
    return dict(sorted(files.items()))


def _with_headers(sources: Sequence[str]) -> dict[str, str]:
    """Kernel sources by name, and every header that they include, directly or not."""
    found: dict[str, str] = {}
    pending = list(sources)
    while pending:
        name = pending.pop()
        if name not in found:
            found[name] = (KERNEL_DIRECTORY / name).read_text(encoding="utf-8")
            pending += re.findall(r'^\s*#\s*include\s+"([^"]+)"', found[name], re.M)
    return found


def to_json(data: Mapping[str, Any]) -> str:
    """Sorted and indented, so that two versions can be compared line by line."""
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def _model(graph: Graph, name: str, steps: Sequence[Step], plan: MemoryPlan, kernels: Sequence[str]) -> dict[str, Any]:
    layers = Layers(graph, name, steps, plan)
    outputs = output_views(graph)
    scratch_tops = [item.offset + item.size for item in plan.placements if not item.tensors]
    return {
        "title": comment(graph.name),
        "layers": layers.views,
        "constants": layers.arrays,
        "input": tensor_view(graph.tensors[graph.input]),
        "input_offset": plan.tensors[graph.input],
        "outputs": outputs,
        "output_bytes": outputs[-1].offset + outputs[-1].size,
        "output_offset": plan.tensors[graph.outputs[0]] if len(outputs) == 1 else None,
        "arena_bytes": plan.arena_bytes,
        "alignment": ALIGNMENT,
        "fast_bytes": max(scratch_tops, default=0),
        "assembly": any(source.endswith(".S") for source in kernels),
        "sources": [
            f"src/{name}.c",
            f"src/{name}_weights.c",
            *(f"src/kernels/{source}" for source in kernels if source.endswith((".c", ".S"))),
        ],
    }
