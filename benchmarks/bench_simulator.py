# SPDX-License-Identifier: Apache-2.0
"""Agreement of the simulator's cycles with the reference model, the costs of cache misses, and the simulator's speed.

The reference cycles were recorded with the calibrated reference model, image by image (``images/reference.json`` names
each image by its SHA-256, and says what has changed them since the first calibration). Misses of the data cache are
compared with what boards take (:mod:`.memory_costs`). Writes ``outputs/bench/simulator.json`` and fails if an image
disagrees by more than 1 %, its bytes are not those of the reference, or a kind of miss is off by more than 10 %.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.memory_costs import miss_costs
from tinyformer.mcu.simulator import SimulationResult, Simulator
from tinyformer.mcu.target import load_mcu

IMAGES = Path(__file__).parent / "images"
OUTPUT = Path("outputs/bench/simulator.json")
TOLERANCE = 0.01
MISS_TOLERANCE = 0.1
SPEED_IMAGES = ("stm32f746-sparse_1x1.bin", "stm32f746-dot_products.bin")
REPEATS = 3


def simulate(image: str, mcu: str, mode: Any) -> SimulationResult:
    """Run an image to its end."""
    result = Simulator(load_mcu(mcu), mode).run(IMAGES / image)
    if not result.ok:
        raise SystemExit(f"{image} did not run to its end: {result.reason.name}, {result.fault}")
    return result


def compare() -> list[dict[str, Any]]:
    """A row for each reference: name, cycles here and there."""
    rows = []
    results: dict[str, SimulationResult] = {}
    for reference in json.loads((IMAGES / "reference.json").read_text(encoding="utf-8")):
        image = reference["image"]
        if hashlib.sha256((IMAGES / image).read_bytes()).hexdigest() != reference["sha256"]:
            raise SystemExit(f"{image} is not the image that the reference was recorded with")
        if image not in results:
            results[image] = simulate(image, reference["mcu"], "timing")
        result = results[image]
        whole_run = reference["region"] is None
        cycles = result.cycles if whole_run else result.regions[reference["region"]].cycles
        kept = {key: reference[key] for key in ("name", "reference_cycles", "before", "because") if key in reference}
        rows.append({"cycles": cycles, **kept})
    return rows


def speed(mode: str) -> float:
    """Million instructions a second of processor time, best of a few runs over the longer images."""
    best = 0.0
    for _ in range(REPEATS):
        runs = [simulate(image, "stm32f746", mode) for image in SPEED_IMAGES]
        best = max(best, sum(run.instructions for run in runs) / sum(run.seconds for run in runs) / 1e6)
    return best


def main() -> int:
    """Run the benchmark; the exit code tells whether every image agrees."""
    rows = compare()
    misses = miss_costs()
    summary = {
        "rows": rows,
        "misses": [asdict(kind) for kind in misses],
        "timing_mips": round(speed("timing"), 1),
        "functional_mips": round(speed("functional"), 1),
    }
    table = Table("image", "cycles", "reference", "difference", "since the first calibration")
    table.title = "Simulator against the reference model"
    worst = 0.0
    for row in rows:
        difference = row["cycles"] / row["reference_cycles"] - 1
        worst = max(worst, abs(difference))
        table.add_row(
            row["name"], f"{row['cycles']:,}", f"{row['reference_cycles']:,}", f"{difference:+.3%}", _change(row)
        )
    console = Console()
    console.print(table)
    table = Table("layer", "weights in", "cycles a missed line", "on boards", "difference", "misses")
    table.title = "Misses of the data cache, STM32F746"
    for kind in misses:
        table.add_row(
            *(kind.layer, kind.memory, f"{kind.model:.1f}", f"{kind.board:.1f}"),
            *(f"{kind.error:+.1%}", f"{kind.misses:,}"),
        )
    console.print(table)
    console.print(
        f"worst difference {worst:.3%}; timing mode {summary['timing_mips']} MIPS, "
        f"functional mode {summary['functional_mips']} MIPS"
    )
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(summary, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    worst_miss = max(abs(kind.error) for kind in misses)
    return 0 if worst <= TOLERANCE and worst_miss <= MISS_TOLERANCE else 1


def _change(row: dict[str, Any]) -> str:
    if "before" not in row:
        return ""
    return f"{row['reference_cycles'] / row['before'] - 1:+.1%}: {row['because']}"


if __name__ == "__main__":
    sys.exit(main())
