# SPDX-License-Identifier: Apache-2.0
"""``tinyformer compile``: any INT8 model, .onnx or .tflite, to a C package."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tinyformer.config.engine import Objective


@click.command("compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--mcu", default="stm32f746", show_default=True, help="A microcontroller of conf/mcu, or a YAML file of your own."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Directory of the C package.")
@click.option("--name", help="Prefix of every symbol (default: the model file's name).")
@click.option(
    "--engine", "settings", default="default", show_default=True, help="Compiler settings: a choice of conf/engine."
)
@click.option(
    "--objective",
    type=click.Choice(["latency", "sram", "flash", "balanced"]),
    help="Speed, little scratch, the smallest encodings, or half of the scratch (default: as the settings say).",
)
@click.option("--tradeoff", is_flag=True, help="Also measure all objectives: cycles against bytes.")
@click.option(
    "--simulate/--no-simulate", default=True, show_default=True, help="Build the firmware and measure one inference."
)
@click.option(
    "--verify",
    default=None,
    metavar="N|layers",
    help="Compare N noisy and N smooth inputs with the model's own runtime (onnxruntime, LiteRT); `layers`: tensor by "
    "tensor. Default: 2 where the runtime is installed; 0: not at all.",
)
@click.option(
    "--calibrate",
    type=click.Path(path_type=Path),
    help="Inputs (.npy, as the model takes them) that give the ranges of tensors that the model leaves in float.",
)
@click.option("--outputs", help="End at these tensors (NAME,NAME) instead of the model's outputs.")
@click.option("--json", "as_json", is_flag=True, help="Print report.json and the comparison instead of tables.")
def compile_command(
    model: Path,
    mcu: str,
    output: Path,
    name: str | None,
    settings: str,
    objective: Objective | None,
    tradeoff: bool,
    simulate: bool,
    verify: str | None,
    calibrate: Path | None,
    outputs: str | None,
    as_json: bool,
) -> None:
    """Compile MODEL (QDQ INT8 .onnx or INT8 .tflite) to a self-contained C99 package for an MCU."""
    from rich.console import Console  # noqa: PLC0415

    from tinyformer.cli.packages import measure_package, say_what_flash_costs  # noqa: PLC0415
    from tinyformer.cli.tradeoff import objective_costs  # noqa: PLC0415
    from tinyformer.cli.verify import parse_verify, verify_package, warn_of_wide_ranges  # noqa: PLC0415
    from tinyformer.engine.compiler import compile_graph  # noqa: PLC0415
    from tinyformer.engine.emit.c_text import identifier  # noqa: PLC0415
    from tinyformer.engine.run.package_files import open_package  # noqa: PLC0415
    from tinyformer.engine.settings import load_engine_config  # noqa: PLC0415
    from tinyformer.ir.cutting import cut_model  # noqa: PLC0415
    from tinyformer.ir.load import load_model  # noqa: PLC0415
    from tinyformer.mcu.target import load_mcu  # noqa: PLC0415
    from tinyformer.verification.calibration import observed_ranges  # noqa: PLC0415

    console = Console(stderr=as_json)
    inputs, layers = parse_verify(verify, model)
    if outputs is not None:
        scratch = click.get_current_context().with_resource(tempfile.TemporaryDirectory(prefix="tinyformer-"))
        source = cut_model(model, outputs.split(","), Path(scratch))
    else:
        source = model
    target, config = load_mcu(mcu), load_engine_config(settings)
    if objective is not None:
        config = config.model_copy(update={"objective": objective})
    with console.status(f"Reading {model}"):
        graph = load_model(source, observed_ranges(source, calibrate) if calibrate else None)
    warn_of_wide_ranges(graph, console)
    with console.status(f"Compiling for {target.name}"):
        compiled = compile_graph(graph, target, config, name or identifier(model.stem))
        compiled.write(output)
    console.print(f"{model} -> {output}")
    say_what_flash_costs(compiled.report, console)
    if simulate:
        measure_package(output, target, console)
    costs = objective_costs(graph, target, config, compiled.name, console) if tradeoff else []
    verification = None
    if inputs:
        chip = target if simulate else None
        verification = verify_package(source, graph, output, chip, inputs, layers, console, required=verify is not None)
    if as_json:
        report = open_package(output).report
        compared = None if verification is None else asdict(verification)
        others = {"tradeoff": [asdict(cost) for cost in costs]} if tradeoff else {}
        click.echo(json.dumps({"package": str(output), **report, "verification": compared, **others}, indent=2))
