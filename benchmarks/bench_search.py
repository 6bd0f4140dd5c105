# SPDX-License-Identifier: Apache-2.0
"""Whether the searches earn their place: against chance, simpler schemes, and themselves with a part left out.

    python -m benchmarks.bench_search [--seeds 3] [--processes 2] [--work .tinyformer/bench-search]

The task is in ``benchmarks/search_task.py``. Each cell is stored when it ends: a benchmark that was stopped goes on.
CIFAR-10 comes from $TINYFORMER_DATA or is downloaded. Writes ``search.json``, ``search.html`` and
``search.svg`` to ``outputs/bench``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks.search_cells import Document, run_cell, sampled, searched, supernets, trained, tuned, uniform
from benchmarks.search_figures import figures, tables, write_picture, write_plots
from benchmarks.search_task import DATA, SHRINKING, SPARSENAS, SPARSITY, SUPERNET_TRAINING, Task
from tinyformer.config.engine import EngineConfig
from tinyformer.data.preparation import prepare_dataset
from tinyformer.engine.costs.profiling import profile_kernels
from tinyformer.mcu.target import load_mcu
from tinyformer.sparsenas.pool import end_with_parent

OUTPUT = Path("outputs/bench")

DENSE = SPARSITY.model_copy(update={"target": 0.0, "ratios": (0.0,), "compensation": "none"})
UNCOMPENSATED = SPARSITY.model_copy(update={"compensation": "none"})
RANDOM = SPARSENAS.model_copy(update={"strategy": "random"})
ARMS = {
    "joint": (SPARSITY, SPARSENAS),
    "random": (SPARSITY, RANDOM),
    "dense": (DENSE, SPARSENAS),
    "uncompensated": (UNCOMPENSATED, SPARSENAS),
}

Cell = tuple[Callable[..., Document], Sequence[Any]]


def main() -> None:
    """Run what is missing and print the figures."""
    arguments = _arguments()
    task = Task(arguments.work.resolve())
    _prepare(task)
    seeds = range(1, arguments.seeds + 1)
    context = multiprocessing.get_context("spawn")
    with Progress() as progress, ProcessPoolExecutor(arguments.processes, context, initializer=end_with_parent) as pool:

        def run(name: str, cells: Sequence[Cell]) -> list[Document]:
            bar = progress.add_task(name, total=len(cells))
            futures: dict[str, Future[Document]] = {}
            for cell in cells:
                if repr(cell) not in futures:  # SuperNAS may choose what its score alone would have chosen
                    futures[repr(cell)] = pool.submit(run_cell, cell)
                    futures[repr(cell)].add_done_callback(lambda _: progress.advance(bar))
            progress.update(bar, total=len(futures))
            return [futures[repr(cell)].result() for cell in cells]

        results = _results(task, list(seeds), run)
    found = figures(results)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "search.json").write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", "utf-8")
    write_plots(results, OUTPUT / "search.html")
    write_picture(results, OUTPUT / "search.svg")
    console = Console()
    for table in tables(found):
        console.print(table)


def _results(task: Task, seeds: Sequence[int], run: Callable[[str, Sequence[Cell]], list[Document]]) -> list[Document]:
    """Everything measured, by seed."""
    chosen = run("SuperNAS", [(supernets, (task, seed)) for seed in seeds])
    candidates = [
        (seed, name, spec)
        for seed, found in zip(seeds, chosen, strict=True)
        for name, spec in _unlike({"chosen": found["chosen"], "by_score": found["by_score"]}, found["random"])
    ]
    shrunk = [(seed, "shrunk", found["chosen"]) for seed, found in zip(seeds, chosen, strict=True)]
    training = [(trained, (task, spec, SUPERNET_TRAINING, seed)) for seed, _, spec in candidates]
    training += [(trained, (task, spec, SHRINKING, seed)) for seed, _, spec in shrunk]
    weights = dict(
        zip([(seed, name) for seed, name, _ in [*candidates, *shrunk]], run("training", training), strict=True)
    )

    best = run(
        "sub-networks of supernets",
        [(sampled, (task, spec, weights[seed, name], seed)) for seed, name, spec in candidates],
    )
    arms = [
        (seed, arm, found["chosen"], weights[seed, "shrunk" if arm == "shrunk" else "chosen"], *settings)
        for seed, found in zip(seeds, chosen, strict=True)
        for arm, settings in {**ARMS, "shrunk": ARMS["joint"]}.items()
    ]
    winners = run(
        "SparseNAS",
        [(searched, (task, arm, spec, w, sparsity, config, seed)) for seed, arm, spec, w, sparsity, config in arms],
    )

    jobs: dict[tuple[int, str, str], Cell] = {}
    for (seed, name, spec), found in zip(candidates, best, strict=True):
        jobs[seed, "supernet", name] = (tuned, (task, spec, weights[seed, name], found["winner"], seed))
    for (seed, arm, spec, w, *_), found in zip(arms, winners, strict=True):
        jobs[seed, "arm", arm] = (tuned, (task, spec, w, found["winner"], seed))
        if arm == "joint":
            jobs[seed, "arm", "uniform"] = (tuned, (task, spec, w, uniform(task, found["winner"]), seed))
            jobs[seed, "arm", "one_shot"] = (tuned, (task, spec, w, found["one_shot"], seed))
        if arm == "random":
            for i, item in enumerate(found["first"]):
                jobs[seed, "ranked", str(i)] = (tuned, (task, spec, w, item["genome"], seed))
    accuracies = dict(zip(jobs, run("fine-tuning", list(jobs.values())), strict=True))
    scores = {
        (seed, str(i)): item["accuracy"]
        for (seed, arm, *_), found in zip(arms, winners, strict=True)
        if arm == "random"
        for i, item in enumerate(found["first"])
    }
    return [
        {
            "seed": seed,
            "binding": found["binding"],
            "search_cpu_s": found["cpu_s"],
            "training_cpu_s": {name: w["cpu_s"] for (s, name), w in weights.items() if s == seed},
            "evaluations": {arm: w["evaluations"] for (s, arm, *_), w in zip(arms, winners, strict=True) if s == seed},
            **{
                group: {name: item for (s, g, name), item in accuracies.items() if (s, g) == (seed, group)}
                for group in ("supernet", "arm", "ranked")
            },
            "scores": {name: score for (s, name), score in scores.items() if s == seed},
        }
        for seed, found in zip(seeds, chosen, strict=True)
    ]


def _unlike(named: dict[str, Any], random: Sequence[Any]) -> list[tuple[str, Any]]:
    """All supernets of a seed by name."""
    return [*named.items(), *((f"random_{i}", spec) for i, spec in enumerate(random))]


def _prepare(task: Task) -> None:
    """The data set and the cost table."""
    task.work.mkdir(parents=True, exist_ok=True)
    if not (task.data / "manifest.json").is_file():
        prepare_dataset(DATA, 1, task.data)
    if not task.table.is_file():
        table = profile_kernels(load_mcu("stm32f746"), EngineConfig())
        task.table.write_text(json.dumps(table.to_dict(), sort_keys=True), "utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path(".tinyformer/bench-search"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
