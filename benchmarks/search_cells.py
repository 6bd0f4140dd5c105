# SPDX-License-Identifier: Apache-2.0
"""The cells of ``bench_search``: pieces of work of about a minute, each stored under the key of what makes it.

A benchmark that was stopped goes on with the cells that are missing; a change of an engine's code repeats the cells
that run it, and no others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.search_task import DATA, FINETUNE, IMAGE, RUNTIME, SPACE, SPARSENAS, SPARSITY, SUPERNAS, TRAINER, Task
from tinyformer.compression.finetune import finetune
from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.config.supernet_training import SupernetTrainingConfig
from tinyformer.data.normalization import normalize
from tinyformer.data.splits import Split
from tinyformer.files import replace_file
from tinyformer.keys import content_digest, work_key
from tinyformer.nets.pruning import make_masks
from tinyformer.nets.spec import LayerSparsity, weighted_layers
from tinyformer.nets.subnet import Subnet
from tinyformer.nets.supernet import Supernet, extract
from tinyformer.nets.supernet_spec import SupernetSpec
from tinyformer.pipeline.supernet_trial import SupernetTrial
from tinyformer.sparsenas.evaluator import Evaluator
from tinyformer.sparsenas.evolution import choose_winner
from tinyformer.sparsenas.genome import Genome
from tinyformer.sparsenas.search import search
from tinyformer.supernas.scoring import score_supernet
from tinyformer.supernas.search import search_supernet
from tinyformer.supernas.space import SupernetSpace
from tinyformer.supernas.training import train_supernet
from tinyformer.training.checkpoint import load_weights, save_weights

Document = dict[str, Any]
"""Plain data for JSON."""

RANDOM_SUPERNETS = 8
TRIED_SUBNETS = 16
"""Random sub-networks of a supernet, the best of which by one-shot accuracy stands for it."""


def supernets(task: Task, seed: int) -> Document:
    """What SuperNAS chooses, what its score alone would have chosen, and random supernets that it could use."""

    def compute() -> Document:
        space = SupernetSpace(SPACE, *IMAGE)
        splits = task.splits.without_test()
        with TemporaryDirectory() as work:
            trial = SupernetTrial(splits, DATA, TRAINER, SUPERNAS, seed, RUNTIME, Path(work))
            result = search_supernet(space, task.costs.estimate, task.budget, SUPERNAS, seed, trial=trial)
        best = max((item for item in result.candidates if item.score is not None), key=lambda item: item.score or 0.0)
        rng = np.random.default_rng([seed, 1])
        drawn: list[SupernetSpec] = []
        while len(drawn) < RANDOM_SUPERNETS:
            genome = space.sample(rng)
            scored = score_supernet(space.build(genome), genome, {}, task.costs.estimate, task.budget, SUPERNAS, seed)
            if scored.score is not None:
                drawn.append(scored.spec)
        return {
            "chosen": result.winner.spec.to_dict(),
            "by_score": best.spec.to_dict(),
            "random": [spec.to_dict() for spec in drawn],
            "binding": result.binding,
            "finalists": result.to_dict()["finalists"],
        }

    parameters = {
        "space": SPACE.model_dump(mode="json"),
        "supernas": SUPERNAS.model_dump(mode="json"),
        "limits": task.budget.limits,
        "seed": seed,
        "random": RANDOM_SUPERNETS,
    }
    return stored(task, f"supernets-{seed}", "tinyformer.pipeline.supernet_trial", parameters, compute)


def trained(task: Task, supernet: Mapping[str, Any], training: SupernetTrainingConfig, seed: int) -> Document:
    """The weights of a supernet, as a file."""
    parameters = {"supernet": supernet, "training": training.model_dump(mode="json"), "seed": seed}

    def compute() -> Document:
        spec = SupernetSpec.from_dict(dict(supernet))
        with TemporaryDirectory() as checkpoints:
            result = train_supernet(
                spec, task.splits.without_test(), DATA, training, TRAINER,
                seed=seed, checkpoints=Path(checkpoints), runtime=RUNTIME,
            )  # fmt: skip
        state = result.supernet.state_dict()
        path = task.work / "weights" / f"{work_key('tinyformer.supernas.training', parameters)[:16]}.safetensors"
        path.parent.mkdir(exist_ok=True)
        save_weights(path, state)
        return {"weights": path.name, "digest": content_digest(path), "metrics": result.metrics}

    return stored(task, f"trained-{seed}", "tinyformer.supernas.training", parameters, compute)


def sampled(task: Task, supernet: Mapping[str, Any], weights: Document, seed: int) -> Document:
    """The best by one-shot accuracy of random sub-networks, each at the even sparsity that makes it fit."""

    def compute() -> Document:
        spec = SupernetSpec.from_dict(dict(supernet))
        config = SUPERNAS.model_copy(update={"samples": 4 * TRIED_SUBNETS})
        scored = score_supernet(spec, (), {}, task.costs.estimate, task.budget, config, seed)
        genomes = [Genome.of(sample.subnet, sample.plan) for sample in scored.admissible[:TRIED_SUBNETS]]
        evaluator = Evaluator.of(
            spec, _load(task, weights), task.splits.without_test(), config=SPARSENAS, sparsity=SPARSITY, seed=seed
        )
        accuracies = [evaluator.accuracy(genome) for genome in genomes]
        best = int(np.argmax(accuracies))
        return {"winner": genomes[best].to_dict(), "accuracy": accuracies[best]}

    parameters = {
        "supernet": supernet,
        "weights": weights["digest"],
        "limits": task.budget.limits,
        "sparsenas": SPARSENAS.model_dump(mode="json"),
        "sparsity": SPARSITY.model_dump(mode="json"),
        "supernas": SUPERNAS.model_dump(mode="json"),
        "tried": TRIED_SUBNETS,
        "seed": seed,
    }
    return stored(task, f"sampled-{seed}", "tinyformer.sparsenas.search", parameters, compute)


def searched(
    task: Task,
    arm: str,
    supernet: Mapping[str, Any],
    weights: Document,
    sparsity: SparsityConfig,
    config: SparseNasConfig,
    seed: int,
) -> Document:
    """SparseNAS' winner, what one-shot accuracy alone would have chosen, and what was evaluated first."""

    def compute() -> Document:
        result = search(
            SupernetSpec.from_dict(dict(supernet)), _load(task, weights), task.splits.without_test(),
            costs=task.costs, budget=task.budget, sparsity=sparsity, config=config, seed=seed, runtime=RUNTIME,
        )  # fmt: skip
        one_shot = choose_winner(result.evaluated, config.accuracy_slack)
        first = result.evaluated[: config.population]
        return {
            "winner": result.winner.genome.to_dict(),
            "one_shot": one_shot.genome.to_dict(),
            "evaluations": len(result.evaluated),
            "first": [{"genome": item.genome.to_dict(), "accuracy": item.accuracy} for item in first],
        }

    parameters = {
        "supernet": supernet,
        "weights": weights["digest"],
        "limits": task.budget.limits,
        "sparsenas": config.model_dump(mode="json"),
        "sparsity": sparsity.model_dump(mode="json"),
        "seed": seed,
    }
    return stored(task, f"searched-{seed}-{arm}", "tinyformer.sparsenas.search", parameters, compute)


def uniform(task: Task, genome: Mapping[str, Any]) -> Document:
    """The same architecture, every layer at the smallest even sparsity (in 2 x 2 blocks) that keeps the limits."""
    subnet = Genome.from_dict(dict(genome)).subnet
    prunable = [layer.name for layer in weighted_layers(subnet) if layer.prunable]
    for step in range(100):
        plan = dict.fromkeys(prunable, LayerSparsity((2, 2), step / 100))
        if task.budget.violation(task.costs.estimate(subnet, plan)) == 0:
            return Genome.of(subnet, plan).to_dict()
    raise AssertionError("the searched network keeps the limits at its own sparsity")


def tuned(task: Task, supernet: Mapping[str, Any], weights: Document, genome: Mapping[str, Any], seed: int) -> Document:
    """Accuracies of a sub-network pruned and fine-tuned, and its estimated costs."""

    def compute() -> Document:
        net = Supernet(SupernetSpec.from_dict(dict(supernet)))
        net.load_state_dict(_load(task, weights))
        found = Genome.from_dict(dict(genome))

        def prune(state: Mapping[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
            del share  # at once
            return make_masks(state, found.plan, SPARSITY.criterion)

        with TemporaryDirectory() as checkpoints:
            result = finetune(
                extract(net, found.subnet), prune, task.splits.without_test(), DATA, FINETUNE, TRAINER,
                seed=seed, checkpoints=Path(checkpoints), runtime=RUNTIME,
            )  # fmt: skip
        cost = task.costs.estimate(found.subnet, found.plan)
        return {
            "test_accuracy": accuracy(result.subnet, task.splits.test),
            "val_accuracy": result.metrics["val_accuracy"],
            "block_sparsity": found.block_sparsity,
            "flash_bytes": cost.flash_bytes,
            "sram_bytes": cost.sram_bytes,
            "latency_ms": cost.latency_ms,
        }

    parameters = {
        "supernet": supernet,
        "weights": weights["digest"],
        "genome": genome,
        "finetune": FINETUNE.model_dump(mode="json"),
        "criterion": SPARSITY.criterion,
        "seed": seed,
    }
    return stored(task, f"tuned-{seed}", "tinyformer.compression.finetune", parameters, compute)


@torch.inference_mode()
def accuracy(subnet: Subnet, split: Split) -> float:
    """Fraction of ``split`` that ``subnet`` classifies correctly."""
    images = normalize(torch.as_tensor(split.images)).split(500)
    predictions = torch.cat([subnet(chunk).argmax(dim=1) for chunk in images]).numpy()
    return float((predictions == split.labels).mean())


def stored(
    task: Task, name: str, module: str, parameters: Mapping[str, Any], compute: Callable[[], Document]
) -> Document:
    """What ``compute`` returned for this code and these parameters before or, if it never did, returns now; with the
    seconds of processor time that it took."""
    common = {"data": DATA.model_dump(mode="json"), "trainer": TRAINER.model_dump(mode="json"), **parameters}
    path = task.work / "cells" / f"{name}-{work_key(module, common)[:12]}.json"
    if path.is_file():
        document: Document = json.loads(path.read_text("utf-8"))
        return document
    begin = time.process_time()
    document = compute()
    document["cpu_s"] = round(time.process_time() - begin, 1)
    path.parent.mkdir(exist_ok=True)
    replace_file(path, (json.dumps(document, sort_keys=True) + "\n").encode())
    return document


def run_cell(cell: tuple[Callable[..., Document], Sequence[Any]]) -> Document:
    """Call a function with its arguments, on one thread: what worker processes do."""
    torch.set_num_threads(1)
    function, arguments = cell
    return function(*arguments)


def _load(task: Task, weights: Document) -> dict[str, torch.Tensor]:
    return load_weights(task.work / "weights" / weights["weights"])
