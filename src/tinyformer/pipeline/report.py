# SPDX-License-Identifier: Apache-2.0
"""Stage ``report``: the headline metrics, and one page with everything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyformer.config.described import described
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_json
from tinyformer.pipeline.evaluation import read_evaluation
from tinyformer.pipeline.stage import Stage, run_stage
from tinyformer.report.board import BoardFigures
from tinyformer.report.html import write_report
from tinyformer.report.inputs import ArenaBuffer, ArenaPlan, Origin, ParetoPoint, ReportInputs

_FROM_STAGES = {
    "quantize": ("accuracy_float", "params", "params_nonzero", "block_sparsity"),
    "codegen": ("macs",),
    "deploy": (
        "accuracy_int8", "agreement_onnxruntime", "flash_bytes", "sram_bytes", "instructions", "cycles", "latency_ms",
        "code_kind", "bit_exact_images_host", "bit_exact_images_mcu",
    ),
}  # fmt: skip

_ORIGINS = (
    ("Accuracy of INT8, agreement, flash, SRAM, latency, cycles, instructions; layers; right and wrong", "deploy",
     (artifacts.metrics("deploy"), artifacts.DEPLOY / "layers.json", artifacts.PREDICTIONS)),
    ("Accuracy of the float model, parameters, block sparsity", "quantize", (artifacts.metrics("quantize"),)),
    ("MACs; arena over time", "codegen", (artifacts.metrics("codegen"), artifacts.FIRMWARE / "memory_plan.json")),
    ("Pareto front", "sparsenas", (artifacts.PARETO,)),
    ("Fine-tuning", "finetune", (artifacts.history("finetune"),)),
    ("Training of the supernet", "train_supernet", (artifacts.history("train_supernet"),)),
)  # fmt: skip
"""Figures, the stage that measured them, and its files."""

_MADE = {
    "model.onnx": artifacts.MODEL,
    "C package": artifacts.FIRMWARE,
    "firmware.elf": artifacts.ELF,
    "summary.json": artifacts.SUMMARY,
}

_WITHOUT_INFLUENCE = ("tracking", "runtime")
"""Sections that change no result: the page is the same whatever they say."""


def report(stage: Stage) -> Mapping[str, Any]:
    """Write ``report/index.html``; the metrics are the headline figures."""
    config = stage.config
    summary: dict[str, Any] = {
        "experiment": config.experiment,
        "dataset": config.data.name,
        "mcu": config.mcu.name,
        "seed": config.seed,
    }
    for name, keys in _FROM_STAGES.items():
        metrics = read_json(artifacts.metrics(name))
        summary |= {key: metrics[key] for key in keys}
    parameters = config.model_dump(mode="json")
    pareto = read_json(artifacts.PARETO)
    write_report(
        ReportInputs(
            summary=summary,
            mcu=config.mcu,
            pareto=_pareto(pareto),
            training={
                "Supernet": read_json(artifacts.history("train_supernet")),
                "Fine-tuning": read_json(artifacts.history("finetune")),
            },
            layers=read_json(artifacts.DEPLOY / "layers.json"),
            arena=_arena(read_json(artifacts.FIRMWARE / "memory_plan.json")),
            configuration=_configuration(parameters),
            limits=pareto["limits"],
            evaluation=read_evaluation(artifacts.PROCESSED / config.data.name),
            origins=[Origin(figures, stage, [_link(path) for path in paths]) for figures, stage, paths in _ORIGINS],
            links=[(words, _link(path)[1]) for words, path in _MADE.items()],
            provenance=_link(artifacts.PROVENANCE)[1],
            board=board_figures(read_json(artifacts.FIRMWARE / "report.json")["model_sha256"]),
        ),
        artifacts.REPORT / "index.html",
    )
    return summary


def board_figures(model_sha256: str) -> BoardFigures | None:
    """What a board has said of the model ``model_sha256``; nothing where it ran another one."""
    seen = read_json(artifacts.BOARD_SEEN)
    if seen is None:
        return None
    with described("measurement", artifacts.BOARD):
        figures = BoardFigures.model_validate(seen)
    return figures if figures.model_sha256 == model_sha256 else None


def _link(path: Path) -> tuple[str, str]:
    """Name of ``path``, and its address seen from the report."""
    return path.relative_to(artifacts.OUTPUTS).as_posix(), Path(os.path.relpath(path, artifacts.REPORT)).as_posix()


def _configuration(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The sections that make the results."""
    return {
        name: section
        for name, section in parameters.items()
        if isinstance(section, dict) and name not in _WITHOUT_INFLUENCE
    }


def _pareto(pareto: Mapping[str, Any]) -> list[ParetoPoint]:
    front = {point["id"] for point in pareto["front"]}
    return [
        ParetoPoint(
            accuracy=point["accuracy"],
            flash_bytes=point["flash_bytes"],
            sram_bytes=point["sram_bytes"],
            latency_ms=point["latency_ms"],
            block_sparsity=point["block_sparsity"],
            chosen=point["id"] == pareto["winner"]["id"],
            front=point["id"] in front,
            label=point["id"][:8],
        )
        for point in pareto["evaluated"]
    ]


def _arena(plan: Mapping[str, Any]) -> ArenaPlan:
    return ArenaPlan(
        arena_bytes=plan["arena_bytes"],
        steps=plan["steps"],
        buffers=[
            ArenaBuffer(
                name=placement["name"],
                offset=placement["offset"],
                bytes=placement["size"],
                first=placement["first"],
                last=placement["last"],
            )
            for placement in plan["placements"]
        ],
    )


if __name__ == "__main__":
    run_stage("report", report)
