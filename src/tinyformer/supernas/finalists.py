# SPDX-License-Identifier: Apache-2.0
"""The supernet is chosen by what its sub-networks learn: the best by score are trained for a while and compared.

Capacity says what a network could learn in the long run, not what it learns in the training at hand, nor how well its
weights are shared. So the score only decides who is tried: successive halving trains the finalists by weight sharing,
and compares the validation accuracies of sub-networks as sparse as the limits ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from tinyformer.search.halving import Measure, Tried, evenly_spread, successive_halving
from tinyformer.supernas.scoring import ScoredSupernet

Finalist: TypeAlias = Tried[ScoredSupernet]
"""A supernet with the accuracy of its sub-networks after weight-sharing training."""

_SHARE = 2
"""The best of the admissible supernets by score, as a divisor, that finalists come from."""


def pick_finalists(ranked: Sequence[ScoredSupernet], count: int) -> list[ScoredSupernet]:
    """At most ``count`` of ``ranked`` (by score, the best first): the best, and others evenly spread over the better
    half, for neighbours by score are much alike. Without sub-networks that keep the limits none gets in."""
    admissible = [candidate for candidate in ranked if candidate.score is not None]
    return evenly_spread(admissible[: max(count, -(-len(admissible) // _SHARE))], count)


def choose(candidates: Sequence[ScoredSupernet], trial: Measure[ScoredSupernet], *, epochs: float) -> list[Finalist]:
    """All ``candidates``, the best first, by successive halving whose last round trains for ``epochs``.

    Accuracy alone decides, the score between equals: it has chosen who is tried.
    """

    def order(tried: Sequence[Finalist], last: bool) -> list[Finalist]:
        del last
        return sorted(tried, key=lambda item: (-item.accuracy, -(item.candidate.score or 0.0), item.candidate.genome))

    return successive_halving(candidates, trial, order, epochs=epochs)
