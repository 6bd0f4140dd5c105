# SPDX-License-Identifier: Apache-2.0
"""The winner is chosen, not drawn: candidates off the front are fine-tuned a little before they are compared.

One-shot accuracies on a part of the validation images are noisy, and their maximum is biased. So the best candidates go
through successive halving (Jamieson and Talwalkar, arXiv 1502.07943): sparse training, accuracy on all validation
images, the better half goes on to twice the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from tinyformer.search.halving import Measure, Tried, evenly_spread, standard_error, successive_halving
from tinyformer.sparsenas.objectives import Candidate, measured_accuracy

Finalist: TypeAlias = Tried[Candidate]
"""A candidate with its accuracy after sparse training."""


def finalist_figures(finalist: Finalist) -> dict[str, Any]:
    """Plain data for JSON."""
    figures = finalist.candidate.figures()
    return {
        **figures,
        "one_shot_accuracy": figures["accuracy"],
        "accuracy": finalist.accuracy,
        "epochs": finalist.epochs,
    }


def pick_finalists(evaluated: Sequence[Candidate], count: int, accuracy_band: float) -> list[Candidate]:
    """At most ``count`` of ``evaluated``, from the most accurate to the fastest where there are enough.

    They come evenly spread from the candidates that none beats in both accuracy and latency, then from those that only
    these beat, and so on: accuracies are too noisy to tell neighbours apart. Flash is a limit to keep, no merit. Those
    more than ``accuracy_band`` below the best accuracy are left out.
    """
    floor = max(measured_accuracy(candidate) for candidate in evaluated) - accuracy_band
    remaining = sorted(
        (candidate for candidate in evaluated if measured_accuracy(candidate) >= floor),
        key=lambda item: (-measured_accuracy(item), item.cost.latency_ms, item.cost.flash_bytes, item.digest),
    )
    finalists: list[Candidate] = []
    while remaining and len(finalists) < count:
        front: list[Candidate] = []
        for candidate in remaining:
            if not front or candidate.cost.latency_ms < front[-1].cost.latency_ms:
                front.append(candidate)
        finalists += evenly_spread(front, count - len(finalists))
        remaining = [candidate for candidate in remaining if candidate not in front]
    return finalists


def choose(
    candidates: Sequence[Candidate], tune: Measure[Candidate], *, epochs: float, images: int, slack: float
) -> tuple[Finalist, list[Finalist]]:
    """The winner of successive halving whose last round trains for ``epochs``, and all finalists, the best first.

    Accuracy alone decides who goes on. In the last round candidates within ``slack``, and at least one standard error
    (accuracy measured on ``images``), of the best are equals: the fastest of them come first, then the others by
    accuracy.
    """

    def order(tried: Sequence[Finalist], last: bool) -> list[Finalist]:
        return _ordered(tried, images, slack) if last else sorted(tried, key=lambda item: -item.accuracy)

    ended = successive_halving(candidates, tune, order, epochs=epochs)
    return ended[0], ended


def _ordered(tried: Sequence[Finalist], images: int, slack: float) -> list[Finalist]:
    best = max(finalist.accuracy for finalist in tried)
    floor = best - max(slack, standard_error(best, images))

    def key(finalist: Finalist) -> tuple[bool, float, float, float, int, str]:
        cost, behind = finalist.candidate.cost, finalist.accuracy < floor
        first = -finalist.accuracy if behind else cost.latency_ms
        return behind, first, cost.latency_ms, -finalist.accuracy, cost.flash_bytes, finalist.candidate.digest

    return sorted(tried, key=key)
