# SPDX-License-Identifier: Apache-2.0
"""Networks by torch, exported and quantized by other tools: how many compile, and how far they are from onnxruntime.

``make bench-import``; the models are those of ``foreign_models.py``. Exit status 1 where fewer than 95 % compile or one
deviates by more than rounding explains.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.foreign_models import combinations, write
from benchmarks.try_models import Outcome, attempt

_SHARE = 0.95


def _try(name: str, opset: int, options: str, mcu: str) -> Outcome:
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    label = f"{name}, opset {opset}, {options}"
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch:
        path = Path(scratch) / "model.onnx"
        try:
            write(name, opset, options, path)
        except Exception as error:
            return Outcome(label, "not made", f"{type(error).__name__}: {str(error).strip().splitlines()[0][:100]}")
        found = attempt(path, mcu, 2, firmware=False)
    return Outcome(label, found.verdict, found.text)


def main() -> int:
    """Try the models and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mcu", default="stm32h743")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="part of a label")
    arguments = parser.parse_args()
    chosen = [item for item in combinations() if arguments.only in f"{item[0]}, opset {item[1]}, {item[2]}"]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        futures = [pool.submit(_try, *item, arguments.mcu) for item in chosen]
        outcomes = [future.result() for future in futures]
    table = Table("Model", "Outcome", "", box=SIMPLE_HEAD)
    for outcome in outcomes:
        table.add_row(outcome.name, outcome.verdict, escape(outcome.text[:600]))
    Console(width=180).print(table)
    made = [outcome for outcome in outcomes if outcome.verdict != "not made"]
    right = sum(outcome.verdict == "right" for outcome in made)
    print(f"{len(made)} models made, {right} compile to right code ({right / max(1, len(made)):.1%})")
    return 0 if right >= _SHARE * len(made) and not any(outcome.is_failure for outcome in made) else 1


if __name__ == "__main__":
    sys.exit(main())
