# SPDX-License-Identifier: Apache-2.0
"""Model files through import, compilation, C, firmware, and their own runtime: one line each.

``make test-cases`` builds small models of the kinds that were once wrong or refused (``tests/ir/test_whole_kinds.py``)
and runs them all; ``CASES=DIR`` adds the .onnx and .tflite files of a directory. A refusal is an answer; wrong code, a
crash and a hang are none. The exit status says whether there was one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, TimeoutError
from dataclasses import dataclass
from pathlib import Path

import onnx
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.ir.test_whole_kinds import CLOSE, EXACT

from tinyformer.config.engine import EngineConfig
from tinyformer.engine.compiler import compile_graph
from tinyformer.errors import TinyFormerError
from tinyformer.ir.load import load_model
from tinyformer.mcu.target import load_mcu
from tinyformer.verification.runtimes import NoRuntimeError
from tinyformer.verification.verify import Verification, random_inputs, verify

_TIMEOUT = 300
"""Seconds for one model."""


@dataclass(frozen=True)
class Outcome:
    """What became of a model."""

    name: str
    verdict: str
    """right, wrong, refused, not compared, crash."""
    text: str

    @property
    def is_failure(self) -> bool:
        """Whether it must not happen."""
        return self.verdict in {"wrong", "crash"}


def attempt(path: Path, mcu: str, inputs: int, firmware: bool) -> Outcome:
    """Compile the model and compare it with its runtime."""
    try:
        graph = load_model(path)
        target = load_mcu(mcu)
        with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch:
            directory = compile_graph(graph, target, EngineConfig(), "model").write(Path(scratch) / "package")
            result = verify(path, graph, directory, target if firmware else None, random_inputs(graph, inputs))
    except NoRuntimeError as error:
        return Outcome(path.name, "not compared", str(error))
    except TinyFormerError as error:
        return Outcome(path.name, "wrong" if "differs from the reference" in str(error) else "refused", str(error))
    except Exception as error:
        return Outcome(path.name, "crash", f"{type(error).__name__}: {error}")
    return Outcome(path.name, _verdict(result), _figures(result))


def _verdict(result: Verification) -> str:
    try:
        result.check()
    except TinyFormerError:
        return "wrong"
    return "right"


def _figures(result: Verification) -> str:
    most = max(output.most for output in result.outputs)
    mean = max(output.mean for output in result.outputs)
    return f"{most:g} LSB at most, {mean:.3f} on average"


def own_models(directory: Path) -> Iterator[Path]:
    """The project's own models, written to ``directory``."""
    for name, build in {**EXACT, **CLOSE}.items():
        model, output = build()
        path = directory / f"{''.join(c if c.isalnum() else '_' for c in name)}.onnx"
        onnx.save(model.model(output), path)
        yield path


def main() -> int:
    """Try the models; the exit status is 1 if one of them is compiled to wrong code or stops the compiler."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", type=Path, help="files, or directories of files")
    parser.add_argument("--mcu", default="stm32f746")
    parser.add_argument("--inputs", type=int, default=4, help="noisy inputs, and as many smooth ones")
    parser.add_argument("--no-firmware", action="store_true")
    parser.add_argument("--only-cases", action="store_true", help="without the project's own models")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch:
        paths = [] if arguments.only_cases else list(own_models(Path(scratch)))
        for case in arguments.cases:
            found = sorted(p for p in case.rglob("*") if p.suffix in {".onnx", ".tflite"}) if case.is_dir() else [case]
            paths += found
        table = Table("Model", "Outcome", "", box=SIMPLE_HEAD)
        outcomes = []
        with ProcessPoolExecutor(arguments.jobs) as pool:
            futures = [
                pool.submit(attempt, path, arguments.mcu, arguments.inputs, not arguments.no_firmware) for path in paths
            ]
            for path, future in zip(paths, futures, strict=True):
                try:
                    outcome = future.result(_TIMEOUT)
                except (TimeoutError, RuntimeError) as error:
                    outcome = Outcome(path.name, "crash", f"{type(error).__name__} {error}")
                outcomes.append(outcome)
                table.add_row(escape(outcome.name), outcome.verdict, escape(outcome.text))
        Console(width=200).print(table)
    counts = {verdict: sum(o.verdict == verdict for o in outcomes) for verdict in sorted({o.verdict for o in outcomes})}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if any(outcome.is_failure for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
