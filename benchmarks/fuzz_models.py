# SPDX-License-Identifier: Apache-2.0
"""Random models of a single operator: the NumPy reference against onnxruntime or LiteRT's reference kernels.

``make fuzz-onnx`` and ``make fuzz-tflite`` run N of them; model number i is made from ``--seed`` + i alone. Operators
of ONNX must be within one step (LSB), those of .tflite that docs/model_import.md calls exact within none. Refusals are
counted, a crash is a failure. ``make fuzz`` compares the reference with the C and the firmware.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.ir.random_onnx import MODELS as ONNX_MODELS
from tests.ir.random_onnx import RUNTIME_ERRORS
from tests.ir.random_tflite import MODELS as TFLITE_MODELS
from tests.ir.random_tflite import RUNTIME_ERRORS as LITERT_ERRORS
from tests.ir.random_tflite import WITHIN_ONE_STEP

from tinyformer.errors import TinyFormerError

_TOLERANCE = 1.001
"""LSB; the outputs of onnxruntime are real numbers."""
_RANGE_BY_WEIGHTS = 3.0
"""LSB where a tensor is held in integers that onnxruntime has in float: half a step of it, times a function's slope."""


@dataclass(frozen=True)
class Outcome:
    """What became of one model: its operator, and how far it was off in LSB, why it was refused, or how it crashed."""

    seed: int
    operator: str
    most: float = 0.0
    differing: float = 0.0
    refused: str = ""
    crash: str = ""


def attempt(seed: int, form: str, only: str | None) -> Outcome:
    """Make the model of ``seed`` and compare it with its runtime."""
    models: dict[str, Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]]
    models = {"onnx": ONNX_MODELS, "tflite": TFLITE_MODELS}[form]
    rng = np.random.default_rng(seed)
    names = [only] if only else sorted(models)
    name = names[int(rng.integers(len(names)))]
    try:
        mine, theirs = models[name](rng)
    except TinyFormerError as error:
        return Outcome(seed, name, refused=str(error))
    except (*RUNTIME_ERRORS, *LITERT_ERRORS) as error:  # its own runtime refuses the model
        return Outcome(seed, name, refused=f"the runtime: {error}")
    except Exception as error:
        return Outcome(seed, name, crash=f"{type(error).__name__}: {error}")
    distance = np.abs(mine - theirs)
    return Outcome(seed, name, float(distance.max()), float((distance > 0.51).mean()))


def _limit(form: str, operator: str) -> float:
    if operator == "left_in_float":
        return _RANGE_BY_WEIGHTS
    return _TOLERANCE if form == "onnx" or operator in WITHIN_ONE_STEP else 0.0


def main() -> int:
    """Run the fuzzer; the exit status is 1 if a model deviates too far or crashes the importer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=["onnx", "tflite"])
    parser.add_argument("--models", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="of the first model")
    parser.add_argument("--operator", help="only this one")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.models)
    count = len(seeds)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        form, only = [arguments.format] * count, [arguments.operator] * count
        outcomes = list(pool.map(attempt, seeds, form, only, chunksize=8))
    table = Table("Operator", "models", "refused", "LSB at most", "values that differ", box=SIMPLE_HEAD)
    failures: list[Any] = []
    for operator in sorted({outcome.operator for outcome in outcomes}):
        own = [outcome for outcome in outcomes if outcome.operator == operator]
        compared = [outcome for outcome in own if not outcome.refused and not outcome.crash]
        limit = _limit(arguments.format, operator)
        failures += [outcome for outcome in own if outcome.crash or outcome.most > limit]
        most = max((outcome.most for outcome in compared), default=0.0)
        differing = np.mean([outcome.differing for outcome in compared]) if compared else 0.0
        refused = sum(bool(outcome.refused) for outcome in own)
        table.add_row(operator, str(len(own)), str(refused), f"{most:.2f}", f"{differing:.3%}")
    Console(width=120).print(table)
    for failure in failures[:40]:
        print(f"seed {failure.seed}, {failure.operator}: {failure.crash or f'{failure.most:.2f} LSB'}")
    reasons = Counter(outcome.refused.splitlines()[-1][:160] for outcome in outcomes if outcome.refused)
    for reason, times in reasons.most_common(10):
        print(f"refused {times} times: {reason}")
    print(f"{count - len(failures)} of {count} models agree or are refused")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
