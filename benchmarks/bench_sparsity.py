# SPDX-License-Identifier: Apache-2.0
"""What sparsity buys: the quickstart at four targets. Flash and latency must fall from each to the next.

    python -m benchmarks.bench_sparsity [OVERRIDES ...]

Runs, or goes on with, the sweep ``sparsities`` of ``tinyformer repro -m``, and writes ``outputs/bench/sparsity.json``.
The exit status is 1 where a figure does not fall, or accuracy falls by more than 1.5 points from the first target to
any other.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tinyformer.experiments.collect import SWEEPS
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import read_json

OUTPUT = Path("outputs/bench/sparsity.json")
TARGETS = ("s50", "s70", "s80", "s90")
FALLING = ("flash_bytes", "latency_ms")
MOST_LOST = 0.015
"""Accuracy that a sparser network may lose against the first target's."""

_SWEEP = "sparsities"


def main() -> int:
    """Run the sweep, print its figures by the command's own table, and check them."""
    line = [f"sparsity={','.join(TARGETS)}", *sys.argv[1:]]
    command = [sys.executable, "-m", "tinyformer.cli", "repro", "-m", "--name", _SWEEP, *line]
    if status := subprocess.run(command, check=False).returncode:
        return status
    found = {target: read_json(SWEEPS / _SWEEP / f"sparsity={target}" / artifacts.SUMMARY) for target in TARGETS}
    wrong = violations(list(found.items()))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    document = {"networks": found, "violations": wrong}
    OUTPUT.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", "utf-8")
    print("\n".join(wrong) or "Flash and latency fall from each target to the next; accuracy is kept.")
    return 1 if wrong else 0


def violations(networks: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """What is wrong with the summaries of ``networks`` (name, summary), from the least sparse to the most; a sentence
    each."""
    wrong = [
        f"{key} does not fall from {before} ({first[key]:,}) to {after} ({second[key]:,})."
        for (before, first), (after, second) in pairwise(networks)
        for key in FALLING
        if second[key] >= first[key]
    ]
    (least, reference), *others = networks
    for name, summary in others:
        lost = reference["accuracy_int8"] - summary["accuracy_int8"]
        if lost > MOST_LOST:
            wrong.append(
                f"{name} is {100 * lost:.2f} points less accurate than {least}: more than {100 * MOST_LOST:.1f}."
            )
    return wrong


if __name__ == "__main__":
    sys.exit(main())
