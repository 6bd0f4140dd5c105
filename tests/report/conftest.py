# SPDX-License-Identifier: Apache-2.0
"""A realistic report, made of synthetic figures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tinyformer.config.mcu import McuConfig
from tinyformer.mcu.target import load_mcu
from tinyformer.report.classification import Evaluation
from tinyformer.report.inputs import ArenaBuffer, LayerRow, Origin, ParetoPoint, ReportInputs

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture
def mcu() -> McuConfig:
    """The STM32F746 of conf/mcu."""
    return load_mcu("stm32f746")


@pytest.fixture
def summary() -> dict[str, Any]:
    """A complete summary.json."""
    return {
        "experiment": "quickstart", "dataset": "digits", "mcu": "stm32f746", "seed": 1,
        "accuracy_float": 0.9889, "accuracy_int8": 0.9861, "agreement_onnxruntime": 0.9972,
        "flash_bytes": 61_240, "sram_bytes": 21_504, "latency_ms": 3.417, "cycles": 738_072, "instructions": 612_331,
        "macs": 1_482_240, "params": 41_226, "params_nonzero": 19_880, "block_sparsity": 0.5213,
        "bit_exact_images_host": 359, "bit_exact_images_mcu": 64,
    }  # fmt: skip


@pytest.fixture
def inputs(mcu: McuConfig, summary: dict[str, Any]) -> ReportInputs:
    """All sections filled."""
    rng = np.random.default_rng(0)
    layers, arena = _layers(), _buffers()
    return ReportInputs(
        summary=summary,
        mcu=mcu,
        pareto=_points(rng),
        training={"Supernet": _history(40, 2.3, 0.96, rng), "Fine-tuning": _history(25, 0.5, 0.985, rng)},
        layers=layers,
        arena={
            "arena_bytes": max(buffer["offset"] + buffer["bytes"] for buffer in arena),
            "steps": [layer["name"] for layer in layers],
            "buffers": arena,
        },
        configuration={
            "experiment": "quickstart",
            "seed": 1,
            "data": yaml.safe_load((CONF / "data" / "digits.yaml").read_text()),
            "sparsity": {"target": 0.5, "blocks": [[4, 8], [1, 4]], "limits": {"flash_bytes": None}},
        },
        limits={"latency_ms": 8.0, "flash_bytes": 1_048_576, "sram_bytes": 327_680},
        evaluation=evaluation_of(np.random.default_rng(1)),
        origins=[Origin("Latency, layers", "deploy", [("deploy/layers.json", "../deploy/layers.json")])],
        links=[("model.onnx", "../model.onnx"), ("firmware.elf", "../deploy/firmware.elf")],
    )


def evaluation_of(rng: np.random.Generator, classes: int = 10, images: int = 359, wrong: int = 7) -> Evaluation:
    """``images`` of ``classes``, the first ``wrong`` of them not recognized."""
    labels = np.arange(images) % classes
    pictures = np.repeat(labels, 64).reshape(images, 8, 8, 1) * 20 + rng.integers(0, 40, (images, 8, 8, 1))
    predicted = np.where(np.arange(images) < wrong, (labels + 1) % classes, labels)
    names = [f"class {label}" for label in range(classes)] if classes > len(DIGITS) else DIGITS
    return Evaluation(names, pictures.astype(np.uint8), labels, predicted)


def _points(rng: np.random.Generator) -> list[ParetoPoint]:
    points: list[ParetoPoint] = []
    for i in range(90):
        latency = float(rng.uniform(1.2, 9))
        front = i % 6 == 0
        accuracy = 0.985 - 0.09 * math.exp(-latency / 2.2) - (0 if front else float(rng.uniform(0.003, 0.05)))
        points.append({
            "accuracy": accuracy, "latency_ms": latency, "flash_bytes": 20_000 + latency * float(rng.uniform(4e3,
            12e3)), "sram_bytes": 21_504, "front": front, "chosen": i == 36, "block_sparsity": float(rng.uniform(0.4,
            0.7)),
        })  # fmt: skip
    return points


def _history(epochs: int, loss: float, accuracy: float, rng: np.random.Generator) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "train_loss": loss * math.exp(-epoch / epochs * 4) + 0.05 + float(rng.normal(0, 0.01)),
            "val_loss": loss * math.exp(-epoch / epochs * 3.5) + 0.09 + float(rng.normal(0, 0.015)),
            "val_accuracy": accuracy * (1 - math.exp(-(epoch + 1) / epochs * 6)),
            "learning_rate": 0.5e-3 * (1 + math.cos(math.pi * epoch / epochs)),
        }
        for epoch in range(epochs)
    ]


def _layers() -> list[LayerRow]:
    rows: list[LayerRow] = []

    def add(
        name: str, op: str, shape: tuple[int, ...], macs: int | None, encoding: str | None, sparsity: float | None
    ) -> None:
        work = macs * 0.62 * (1 - (sparsity or 0) * 0.8) if macs else math.prod(shape) * 7.3
        flash = round(macs / 60 * (1 - (sparsity or 0))) if macs else 64
        rows.append({
            "name": name, "op": op, "output_shape": shape, "macs": macs, "sparsity": sparsity, "encoding": encoding,
            "flash_bytes": flash, "cycles": round(work),
        })  # fmt: skip

    add("stem.conv", "Conv2D", (1, 16, 16, 16), 36_864, "dense", 0.0)
    for i in range(3):
        size, width = 16 >> i, 16 << i
        add(
            f"stages.{i}.blocks.0.expand",
            "Conv2D",
            (1, size, size, width * 4),
            size * size * width * width * 4,
            "sparse 4x8",
            0.55,
        )
        add(
            f"stages.{i}.blocks.0.depthwise",
            "DepthwiseConv2D",
            (1, size // 2, size // 2, width * 4),
            9 * size * size * width,
            "dense",
            0.02,
        )
        add(
            f"stages.{i}.blocks.0.project",
            "Conv2D",
            (1, size // 2, size // 2, width * 2),
            size * size * width * width * 2,
            "sparse 4x8",
            0.6,
        )
    for k in range(2):
        prefix = f"stages.2.blocks.1.layers.{k}"
        add(f"{prefix}.norm1", "LayerNorm", (1, 16, 48), None, None, None)
        for part in "qkv":
            add(f"{prefix}.{part}", "Linear", (1, 16, 48), 36_864, "sparse 1x4", 0.5)
        add(f"{prefix}.scores", "BatchMatMul", (4, 16, 16), 12_288, None, None)
        add(f"{prefix}.softmax", "Softmax", (4, 16, 16), None, None, None)
        add(f"{prefix}.proj", "Linear", (1, 16, 48), 36_864, "sparse 4x8", 0.7)
        add(f"{prefix}.gelu", "Lut", (1, 16, 96), None, None, None)
        add(f"{prefix}.fc2", "Linear", (1, 16, 48), 73_728, "sparse 4x8", 0.7)
        add(f"{prefix}.residual", "Add", (1, 16, 48), None, None, None)
    add("pool", "AveragePool2D", (1, 1, 1, 48), None, None, None)
    add("classifier", "Linear", (1, 10), 480, "dense", 0.0)
    return rows


def _buffers() -> list[ArenaBuffer]:
    """Each layer's output lives until the next but one; placed first-fit."""
    placed: list[ArenaBuffer] = []
    for step, layer in enumerate(_layers()):
        count = math.prod(layer["output_shape"])
        last = min(step + 1 + (3 if step % 7 == 3 else 0), 31)
        offset = 0
        for other in sorted(placed, key=lambda buffer: buffer["offset"]):
            if other["last"] >= step and offset < other["offset"] + other["bytes"] and other["offset"] < offset + count:
                offset = other["offset"] + other["bytes"]
        placed.append({"name": layer["name"], "offset": offset, "bytes": count, "first": step, "last": last})
    return placed
