# SPDX-License-Identifier: Apache-2.0
"""What came out of a stage, in a line."""

from __future__ import annotations

from contextlib import suppress

from tinyformer.errors import TinyFormerError
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_json

_FIGURES = {
    "prepare": {"train_images": "{:,} images to train on", "test_images": "{:,} to test", "classes": "{} classes"},
    "profile_mcu": {"kernels": "{:,} kernels measured"},
    "supernas": {"candidates": "{:,} supernets scored", "score": "best score {:.3f}"},
    "train_supernet": {"val_accuracy_mean": "sub-networks' mean validation accuracy {:.2%}"},
    "sparsenas": {"evaluations": "{:,} sub-networks evaluated", "accuracy": "validation accuracy {:.2%}"},
    "finetune": {"val_accuracy": "validation accuracy {:.2%}"},
    "quantize": {"accuracy_float": "accuracy {:.2%}", "params_nonzero": "{:,} parameters not zero"},
    "codegen": {"constants_bytes": "{:,} bytes of weights and tables", "macs": "{:,} MACs"},
    "deploy": {
        "accuracy_int8": "accuracy {:.2%}", "flash_bytes": "flash {:,} bytes", "sram_bytes": "SRAM {:,} bytes",
        "latency_ms": "{:.3f} ms",
    },
}  # fmt: skip


def outcome(stage: str) -> str:
    """``: figure, figure``; empty where the stage has none."""
    with suppress(TinyFormerError, AttributeError):
        metrics = read_json(artifacts.metrics(stage))
        known = [text.format(metrics[key]) for key, text in _FIGURES.get(stage, {}).items() if key in metrics]
        return f": {', '.join(known)}" if known else ""
    return ""
