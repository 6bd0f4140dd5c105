# SPDX-License-Identifier: Apache-2.0
"""Evaluations as the search asks for them: from the store where it has them, otherwise from the pool into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tinyformer.sparsenas.genome import Genome
from tinyformer.sparsenas.pool import EvaluationPool
from tinyformer.sparsenas.store import EvaluationStore


@dataclass(frozen=True)
class Evaluations:
    """Accuracies of genomes; ``key`` names what a genome's accuracy depends on."""

    pool: EvaluationPool
    store: EvaluationStore
    key: Callable[[Genome], str]

    def accuracies(self, genomes: Sequence[Genome]) -> Iterator[float]:
        """Accuracy of each genome, in order; each is stored as soon as it is known."""
        keys = [self.key(genome) for genome in genomes]
        known = [self.store.get(key) for key in keys]
        missing = [genome for genome, accuracy in zip(genomes, known, strict=True) if accuracy is None]
        results = self.pool.accuracies(missing)
        for key, stored in zip(keys, known, strict=True):
            if stored is not None:
                yield stored
            else:
                accuracy = next(results)
                self.store.put(key, accuracy)
                yield accuracy
