# SPDX-License-Identifier: Apache-2.0
"""Short trainings of supernets, for SuperNAS to compare them by what their sub-networks learn within the limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from tinyformer.config.data import DataConfig
from tinyformer.config.runtime import RuntimeConfig
from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.config.supernet_training import SupernetTrainingConfig
from tinyformer.config.trainer import TrainerConfig
from tinyformer.data.splits import Splits
from tinyformer.keys import work_key
from tinyformer.sparsenas.evaluation import Evaluations
from tinyformer.sparsenas.evaluator import Evaluator
from tinyformer.sparsenas.genome import Genome
from tinyformer.sparsenas.pool import make_pool
from tinyformer.sparsenas.store import EvaluationStore
from tinyformer.supernas.scoring import ScoredSupernet
from tinyformer.supernas.training import train_supernet
from tinyformer.training.checkpoint import load_weights, save_weights

_EVALUATION = SparsityConfig(compensation="least_squares")
"""What makes up for pruning in a sub-network that is not trained afterwards."""


@dataclass(frozen=True)
class SupernetTrial:
    """Trains supernets by ``config.trial`` and measures sub-networks on the validation images, whatever was killed
    before: checkpoints, weights and accuracies are in the directory ``work``."""

    splits: Splits
    data: DataConfig
    trainer: TrainerConfig
    config: SuperNasConfig
    seed: int
    runtime: RuntimeConfig
    work: Path
    on_trained: Callable[[], None] = lambda: None
    """Called after each training."""

    def accuracies(self, supernets: Sequence[ScoredSupernet], epochs: float) -> list[float]:
        """Quantile of the accuracies of each supernet's sub-networks after ``epochs`` of training."""
        return [self._accuracy(supernet, epochs) for supernet in supernets]

    def _accuracy(self, supernet: ScoredSupernet, epochs: float) -> float:
        evaluator = Evaluator.of(
            supernet.spec,
            self._weights(supernet, self._settings(epochs)),
            self.splits,
            config=SparseNasConfig(device="cpu" if self.trainer.accelerator == "cpu" else "auto"),
            sparsity=_EVALUATION,
            seed=self.seed,
        )
        samples = supernet.admissible[: self.config.trial_samples]
        genomes = [Genome.of(sample.subnet, sample.plan) for sample in samples]
        with make_pool(evaluator, self.runtime) as pool:
            found = Evaluations(pool, EvaluationStore(self.work / "accuracies"), evaluator.key).accuracies(genomes)
            accuracies = list(found)
        self.on_trained()
        return float(np.quantile(accuracies, self.config.capacity_quantile))

    def _settings(self, epochs: float) -> SupernetTrainingConfig:
        """The trial's settings for a training of about ``epochs``, one at least, its phases shortened alike."""
        full = self.config.trial
        assert full is not None
        whole = max(1, round(epochs))
        share = whole / full.epochs
        return full.model_copy(
            update={
                "epochs": whole,
                "warmup_epochs": full.warmup_epochs * share,
                "first_image_size_epochs": int(full.first_image_size_epochs * share),
                "validate_every": whole,
            }
        )

    def _weights(self, supernet: ScoredSupernet, settings: SupernetTrainingConfig) -> dict[str, Tensor]:
        """Weights of ``supernet`` trained by ``settings``."""
        key = work_key(
            __name__,
            {
                "supernet": supernet.spec.to_dict(),
                "training": settings.model_dump(mode="json"),
                "data": self.data.model_dump(mode="json"),
                "trainer": self.trainer.model_dump(mode="json"),
                "seed": self.seed,
            },
            {"images": self.splits.digest},
        )
        directory = self.work / key[:16]
        weights = directory / "supernet.safetensors"
        if not weights.exists():
            trained = train_supernet(
                supernet.spec,
                self.splits,
                self.data,
                settings,
                self.trainer,
                seed=self.seed,
                checkpoints=directory,
                runtime=self.runtime,
            )
            save_weights(weights, trained.supernet.state_dict())
        return load_weights(weights)
