# SPDX-License-Identifier: Apache-2.0
"""The search as a whole: deterministic, resumable after a kill, within the limits, honest when they cannot be met."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tinyformer.budget import Budget
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.runtime import RuntimeConfig
from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.target import load_mcu
from tinyformer.nets.supernet import Supernet
from tinyformer.sparsenas.evaluation import Evaluations
from tinyformer.sparsenas.evolution import SearchResult, choose_winner, evolve
from tinyformer.sparsenas.genome import Genome
from tinyformer.sparsenas.pool import ProcessPool, SerialPool, make_pool
from tinyformer.sparsenas.search import search
from tinyformer.sparsenas.store import EvaluationStore

from .conftest import WeightCosts, targeted

SPARSITY = SparsityConfig(target=0.5, ratios=(0.0, 0.4, 0.6, 0.8))
BUDGET = Budget({"flash_bytes": 4000.0, "sram_bytes": 2400.0})


def accuracy(genome: Genome) -> float:
    """A made-up accuracy: wider is better, sparser worse, with a little of everything else."""
    width = sum(stage.width for stage in genome.subnet.stages)
    return round(width / 100 - genome.block_sparsity / 10 + int(genome.digest()[:4], 16) / 2**20, 6)


class FakePool:
    """Counts evaluations and, on demand, stops the process where a kill would."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.count = 0
        self.stop_after = stop_after

    def accuracies(self, genomes):
        for genome in genomes:
            if self.count == self.stop_after:
                raise KeyboardInterrupt
            self.count += 1
            yield accuracy(genome)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def run(config: SparseNasConfig, pool=None, store=None, budget=BUDGET, seed=0, **callbacks) -> SearchResult:
    variation = targeted(SPARSITY, require_transformer=config.require_transformer)
    evaluations = Evaluations(pool or FakePool(), store or EvaluationStore(None), Genome.digest)
    return evolve(variation, WeightCosts(), budget, evaluations, config=config, seed=seed, **callbacks)


def text(result: SearchResult) -> str:
    return json.dumps(result.to_dict(), sort_keys=True)


def test_result_is_within_the_limits_and_on_the_front(config):
    result = run(config)
    assert len(result.evaluated) > config.population
    assert all(BUDGET.violation(candidate.cost) == 0 for candidate in result.evaluated)
    assert all(candidate.genome.block_sparsity >= SPARSITY.target for candidate in result.evaluated)
    assert all(candidate.genome.subnet.has_transformer for candidate in result.evaluated)
    assert result.winner.accuracy == max(candidate.accuracy for candidate in result.evaluated)
    assert result.winner in result.front
    latencies = [candidate.cost.latency_ms for candidate in result.front]
    assert latencies == sorted(latencies)


def test_search_improves_on_its_initial_population(config):
    longer = config.model_copy(update={"generations": 12, "population": 10})
    result = run(longer)
    initial = result.evaluated[: longer.population]
    assert result.winner.accuracy > max(candidate.accuracy for candidate in initial)


def test_same_seed_same_bytes_another_seed_another_search(config):
    assert text(run(config)) == text(run(config))
    assert text(run(config)) != text(run(config, seed=1))


def test_interrupted_search_resumes_to_the_same_bytes(config, tmp_path):
    whole = text(run(config))
    full = FakePool()
    run(config, full)
    with pytest.raises(KeyboardInterrupt):
        run(config, FakePool(stop_after=9), EvaluationStore(tmp_path))
    resumed = FakePool()
    assert text(run(config, resumed, EvaluationStore(tmp_path))) == whole
    assert resumed.count == full.count - 9
    nothing = FakePool()
    assert text(run(config, nothing, EvaluationStore(tmp_path))) == whole
    assert nothing.count == 0


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"sram_bytes": 100.0}, r"sram_bytes is 100, the smallest achievable found is 1600"),
        ({"flash_bytes": 10.0, "sram_bytes": 2400.0}, r"flash_bytes is 10, the smallest achievable found is \d+"),
        ({"latency_ms": 1e-6}, r"latency_ms is 0\.000, the smallest achievable found is \d+\.\d+"),
    ],
)
def test_impossible_limit_is_named_with_what_is_achievable(config, limit, message):
    with pytest.raises(TinyFormerError, match=message):
        run(config, budget=Budget(limit))


def test_tight_but_possible_limits_are_met(config):
    smallest = min(
        WeightCosts().estimate(genome.subnet, genome.plan).flash_bytes for genome in targeted(SPARSITY).smallest()
    )
    result = run(config, budget=Budget({"flash_bytes": smallest * 1.1}))
    assert all(candidate.cost.flash_bytes <= smallest * 1.1 for candidate in result.evaluated)


def test_winner_prefers_speed_within_the_slack(config):
    evaluated = run(config).evaluated
    best = max(candidate.accuracy for candidate in evaluated)
    winner = choose_winner(evaluated, 0.1)
    eligible = [candidate for candidate in evaluated if candidate.accuracy >= best - 0.1]
    assert winner.cost.latency_ms == min(candidate.cost.latency_ms for candidate in eligible)
    assert choose_winner(evaluated, 0.0).accuracy == best


def test_callbacks_report_generations_and_progress(config):
    metrics, progress = [], []
    run(
        config,
        on_metrics=lambda values, step: metrics.append((step, dict(values))),
        on_evaluated=lambda done, total: progress.append((done, total)),
    )
    assert [step for step, _ in metrics] == list(range(config.generations + 1))
    assert all(0 < values["accuracy_best"] <= 1 for _, values in metrics)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert progress[-1][0] == metrics[-1][1]["evaluations"]


def test_damaged_store_entries_are_evaluated_again(tmp_path):
    store = EvaluationStore(tmp_path)
    store.put("ab" * 32, 0.5)
    assert EvaluationStore(tmp_path).get("ab" * 32) == 0.5
    (entry,) = tmp_path.rglob("*.json")
    entry.write_text(entry.read_text()[:10])
    assert EvaluationStore(tmp_path).get("ab" * 32) is None
    assert EvaluationStore(tmp_path).get("cd" * 32) is None


def test_unwritable_store_is_a_clear_error(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(TinyFormerError, match="Cannot write"):
        EvaluationStore(blocker / "store")


def test_evaluation_is_deterministic_and_depends_on_the_plan(evaluator, config):
    variation = targeted(SPARSITY)
    (genome, *_) = variation.smallest()
    before = {name: tensor.clone() for name, tensor in evaluator.weights.items()}
    first = evaluator.accuracy(genome)
    assert evaluator.accuracy(genome) == first
    assert 0 <= first <= 1
    assert all(torch.equal(before[name], tensor) for name, tensor in evaluator.weights.items())
    dense = Genome.of(genome.subnet, {})
    assert evaluator.key(dense) != evaluator.key(genome)


@pytest.mark.parametrize("criterion", ["l2", "taylor"])
def test_recovery_keeps_the_pruned_network_learning(evaluator, criterion):
    (genome, *_) = targeted(SPARSITY).smallest()
    recovering = replace(evaluator, sparsity=SparsityConfig(recovery_steps=30, recovery_lr=0.05, criterion=criterion))
    assert recovering.accuracy(genome) > max(0.5, evaluator.accuracy(genome))
    assert recovering.key(genome) != evaluator.key(genome)


def test_compensation_changes_the_evaluation_and_its_key(evaluator):
    (genome, *_) = targeted(SPARSITY).smallest()
    compensated = replace(evaluator, sparsity=SparsityConfig(compensation="least_squares", compensation_images=64))
    first = compensated.accuracy(genome)
    assert compensated.accuracy(genome) == first
    assert compensated.key(genome) != evaluator.key(genome)


def test_a_device_that_is_not_there_is_named(evaluator, config, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def on(device: str):
        return replace(evaluator, config=config.model_copy(update={"device": device}))

    assert on("auto").device.type == "cpu"
    with pytest.raises(TinyFormerError, match=r"sparsenas\.device is cuda.*choose auto or cpu"):
        make_pool(on("cuda"), RuntimeConfig())


def test_process_pool_agrees_with_this_process(evaluator, config):
    variation = targeted(SPARSITY)
    rng = np.random.default_rng(0)
    genomes = [variation.sample(rng) for _ in range(4)]
    with SerialPool(evaluator) as serial, ProcessPool(evaluator, 2) as processes:
        assert list(processes.accuracies(genomes)) == list(serial.accuracies(genomes))


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, time
            import numpy as np
            from tests.sparsenas.conftest import SUPERNET, targeted
            from tinyformer.config.runtime import RuntimeConfig
            from tinyformer.config.sparsenas import SparseNasConfig
            from tinyformer.config.sparsity import SparsityConfig
            from tinyformer.data.splits import Split
            from tinyformer.nets.supernet import Supernet
            from tinyformer.sparsenas.evaluator import Evaluator
            from tinyformer.sparsenas.pool import ProcessPool

            if __name__ == "__main__":
                split = Split(np.zeros((8, 8, 8, 1), np.uint8), np.zeros(8, np.int64))
                weights = Supernet(SUPERNET).state_dict()
                evaluator = Evaluator(SUPERNET, weights, split, split, SparseNasConfig(), SparsityConfig())
                genomes = targeted(SparsityConfig()).smallest()
                pool = ProcessPool(evaluator, 1)
                print(*pool.accuracies(genomes), flush=True)
                print(*pool._executor._processes, flush=True)
                time.sleep(100)
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    process.stdout.readline()
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert workers and all(Path(f"/proc/{pid}").exists() for pid in workers)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(_running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_running(pid) for pid in workers)


def _running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_ray_is_named_when_it_is_not_installed(evaluator, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TinyFormerError, match=r"tinyformer\[cluster\]"):
        make_pool(evaluator, RuntimeConfig(pool="ray"))


def test_killed_process_loses_nothing_stored(tmp_path):
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from tinyformer.sparsenas.store import EvaluationStore
        store = EvaluationStore(Path(sys.argv[1]))
        for i in range(10**6):
            store.put(f"{i:064d}", i / 1e6)
            print(i, flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    store = EvaluationStore(Path(tmp_path))
    for line in lines:
        assert store.get(f"{int(line):064d}") == int(line) / 1e6


@pytest.mark.parametrize("target", [0.5, "auto"])
def test_whole_search_depends_neither_on_workers_nor_on_restarts(supernet_spec, split, config, target, tmp_path):
    torch.manual_seed(0)
    weights = Supernet(supernet_spec).state_dict()

    def run_search(workers: int, store: Path | None) -> str:
        result = search(
            supernet_spec,
            weights,
            SimpleNamespace(train=split, val=split),
            costs=WeightCosts(),
            budget=Budget.of(LimitsConfig(), load_mcu("stm32f746")),
            sparsity=SPARSITY.model_copy(update={"target": target}),
            config=config.model_copy(update={"generations": 1}),
            seed=3,
            runtime=RuntimeConfig(workers=workers),
            store=store,
        )
        return text(result)

    alone = run_search(1, tmp_path)
    assert run_search(2, None) == alone
    for entry in sorted(tmp_path.rglob("*.json"))[::2]:
        entry.unlink()
    assert run_search(1, tmp_path) == alone
