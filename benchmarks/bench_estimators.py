# SPDX-License-Identifier: Apache-2.0
"""How well the estimators predict what is compiled and simulated: random sub-networks with random block sparsity.

    python benchmarks/bench_estimators.py [--subnets 50] [--mcu stm32f746] [--table outputs/cost_table.json]

The cost table is measured on other random networks (or read with ``--table``); then every network is estimated,
compiled by the ordinary compiler and run on the simulated microcontroller. Writes ``outputs/bench/estimators.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tinyformer.config.engine import EngineConfig
from tinyformer.engine.costs.estimator import Cost, Estimator
from tinyformer.engine.costs.profiling import NAME, SampleProfile, profile_graph, profile_kernels
from tinyformer.engine.costs.samples import samples
from tinyformer.engine.costs.synthetic import synthetic_graph
from tinyformer.engine.costs.table import CostTable
from tinyformer.mcu.target import load_mcu

SEED = 10_000
"""Far from the seeds that tables are measured with."""


def main() -> None:
    """Run the benchmark and print its figures."""
    arguments = _arguments()
    mcu, config = load_mcu(arguments.mcu), EngineConfig()
    if arguments.table:
        table = CostTable.from_dict(json.loads(arguments.table.read_text(encoding="utf-8")))
    else:
        table = profile_kernels(mcu, config)
    estimator = Estimator(mcu, config, table)
    networks = list(samples(arguments.subnets, SEED))
    begin = time.process_time()
    estimates = [estimator.estimate(spec, plan) for spec, plan in networks]
    cold = (time.process_time() - begin) / len(networks)
    begin = time.process_time()
    for spec, plan in networks:
        estimator.estimate(spec, plan)
    warm = (time.process_time() - begin) / len(networks)
    graphs = [synthetic_graph(spec, plan, SEED + i, NAME) for i, (spec, plan) in enumerate(networks)]
    with ThreadPoolExecutor(2) as executor:
        runs = executor.map(lambda graph: profile_graph(graph, mcu, config), graphs)
        measured = list(track(runs, "Compiling and simulating", total=len(graphs), transient=True))
    figures = _figures(estimates, measured)
    _print(figures, {"estimate, new shapes (CPU time)": cold, "estimate, known shapes (CPU time)": warm})
    output = Path("outputs/bench/estimators.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _figures(estimates: list[Cost], measured: list[SampleProfile]) -> dict[str, float]:
    flash = _errors([item.flash_bytes for item in estimates], [item.flash_bytes for item in measured])
    latency = _errors([item.cycles for item in estimates], [item.cycles for item in measured])
    exact = [a.sram_bytes == b.sram_bytes for a, b in zip(estimates, measured, strict=True)]
    return {
        "subnets": len(measured),
        "sram_exact_fraction": float(np.mean(exact)),
        "flash_error_max": float(flash.max()),
        "latency_error_median": float(np.median(latency)),
        "latency_error_max": float(latency.max()),
        "kendall": kendall([item.cycles for item in estimates], [item.cycles for item in measured]),
    }


def _errors(estimated: list[int], actual: list[int]) -> np.ndarray:
    return np.abs(np.array(estimated) / np.array(actual) - 1)


def kendall(a: list[int], b: list[int]) -> float:
    """Kendall's tau: the share of pairs in the same order minus that of pairs in opposite orders."""
    agreement = [np.sign((a[i] - a[j]) * (b[i] - b[j])) for i, j in combinations(range(len(a)), 2)]
    return float(np.mean(agreement))


def _print(figures: dict[str, float], seconds: dict[str, float]) -> None:
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:.4g}")
    for name, value in seconds.items():
        table.add_row(name, f"{value * 1e3:.2f} ms")
    Console().print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subnets", type=int, default=50)
    parser.add_argument("--mcu", default="stm32f746")
    parser.add_argument("--table", type=Path, help="cost table as profile_mcu writes it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
