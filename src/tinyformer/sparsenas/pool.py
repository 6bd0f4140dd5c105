# SPDX-License-Identifier: Apache-2.0
"""Where candidates are evaluated: this process, processes of this machine, or a Ray cluster.

Every pool yields results in the order of the genomes handed in, whatever order the workers finish in.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Protocol, Self

from tinyformer.config.runtime import RAY_MISSING, RuntimeConfig
from tinyformer.errors import TinyFormerError
from tinyformer.sparsenas.evaluator import Evaluator
from tinyformer.sparsenas.genome import Genome


class EvaluationPool(Protocol):
    """Evaluates genomes; a context manager that frees its workers."""

    def accuracies(self, genomes: Sequence[Genome]) -> Iterator[float]:
        """Accuracy of each genome, in order, as they become known."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def make_pool(evaluator: Evaluator, runtime: RuntimeConfig) -> EvaluationPool:
    """The pool that ``runtime`` asks for; on a CUDA device, this process.

    Raises :class:`TinyFormerError` if Ray or a CUDA device is asked for but not there.
    """
    if evaluator.device.type == "cuda":
        return SerialPool(evaluator)
    if runtime.pool == "ray":
        return RayPool(evaluator, runtime.workers)
    workers = runtime.workers or usable_cores()
    return SerialPool(evaluator) if workers == 1 else ProcessPool(evaluator, workers)


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class SerialPool:
    """Evaluates in this process."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def accuracies(self, genomes: Sequence[Genome]) -> Iterator[float]:
        """See :class:`EvaluationPool`."""
        return map(self._evaluator.accuracy, genomes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class ProcessPool:
    """Spawned processes, each with one thread: forking a process that has run torch may deadlock.

    Workers start with the first genome to evaluate, and end when this process does, however it ends.
    """

    def __init__(self, evaluator: Evaluator, workers: int) -> None:
        self._executor = ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(evaluator,)
        )

    def accuracies(self, genomes: Sequence[Genome]) -> Iterator[float]:
        """See :class:`EvaluationPool`. Raises :class:`TinyFormerError` if a worker dies."""
        try:
            yield from self._executor.map(_evaluate, genomes)
        except BrokenProcessPool as error:
            raise TinyFormerError(
                "A SparseNAS evaluation process died, most likely for want of memory: lower runtime.workers; "
                "what has been evaluated is kept."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(cancel_futures=True)


class RayPool:
    """Actors on a Ray cluster (the one that RAY_ADDRESS names, otherwise a local one), each with one core."""

    def __init__(self, evaluator: Evaluator, workers: int | None) -> None:
        try:
            import ray  # noqa: PLC0415 - an optional dependency
            from ray.util import ActorPool  # noqa: PLC0415
        except ImportError as error:
            raise TinyFormerError(RAY_MISSING) from error
        ray.init(ignore_reinit_error=True, log_to_driver=False)
        self._ray = ray
        shared = ray.put(evaluator)
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        actor = ray.remote(num_cpus=1)(_Worker)
        self._pool = ActorPool([actor.remote(shared) for _ in range(count)])

    def accuracies(self, genomes: Sequence[Genome]) -> Iterator[float]:
        """See :class:`EvaluationPool`."""
        yield from self._pool.map(lambda worker, genome: worker.accuracy.remote(genome), list(genomes))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()


class _Worker:
    """One Ray actor."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def accuracy(self, genome: Genome) -> float:
        return self._evaluator.accuracy(genome)


_evaluator: Evaluator | None = None
"""The evaluator of this worker process."""


def _start_worker(evaluator: Evaluator) -> None:
    global _evaluator  # noqa: PLW0603 - what a process pool's initializer is for
    _evaluator = evaluator
    end_with_parent()


def end_with_parent() -> None:
    """Let this process end when its parent does, however that ends.

    A worker waits for work on a pipe that it holds open itself, and so would outlive a parent that is killed.
    """
    threading.Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _evaluate(genome: Genome) -> float:
    assert _evaluator is not None
    return _evaluator.accuracy(genome)
