# SPDX-License-Identifier: Apache-2.0
"""By how much pruning a layer is estimated to raise the loss: a figure that can be compared across layers.

A weight w that goes changes the loss by about F w^2, F being the diagonal of the empirical Fisher information: the mean
squared gradient of the loss on small batches (Theis et al., arXiv 1801.05787; Molchanov et al. 2019). It is measured
once, for all weights that sub-networks share, over random sub-networks.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tinyformer.config.sparsity import SparsityConfig
from tinyformer.nets.plan_counts import zero_blocks
from tinyformer.nets.pruning import removal_order
from tinyformer.nets.spec import Block, LayerSparsity, SubnetSpec, WeightedLayer
from tinyformer.nets.supernet import Supernet
from tinyformer.nets.weight_blocks import block_sums
from tinyformer.sparsenas.one_thread import one_thread

_PATHS = 16
"""Sub-networks that gradients are taken of."""

_BATCH = 32
"""Images of each."""


def gradient_scale(supernet: Supernet, images: Tensor, labels: Tensor, seed: int) -> dict[str, Tensor]:
    """Root mean square of the gradient of every shared parameter, over the batches that reach it.

    The largest sub-network and random ones take turns with ``images`` (N, C, H, W). Computed in one thread of a
    processor, so that it is the same everywhere; ``supernet`` is left as it is.
    """
    network = copy.deepcopy(supernet).cpu().train()
    rng = np.random.default_rng([seed, len(images)])
    squares = {name: torch.zeros_like(parameter) for name, parameter in network.named_parameters()}
    visits = {name: torch.zeros_like(parameter) for name, parameter in network.named_parameters()}
    with one_thread():
        for number in range(_PATHS):
            path = network.spec.sample(rng) if number % 2 else network.spec.largest()
            rows = torch.arange(number * _BATCH, (number + 1) * _BATCH) % len(images)
            network.zero_grad()
            F.cross_entropy(network(images[rows].cpu(), path), labels[rows].cpu()).backward()
            for name, parameter in network.named_parameters():
                if parameter.grad is not None:
                    squares[name] += parameter.grad**2
                    visits[name] += parameter.grad != 0
    return {name: (total / visits[name].clamp_min(1)).sqrt() for name, total in squares.items()}


class PruningLoss:
    """Estimated increases of the loss, each computed once for a layer's shape and block shape."""

    def __init__(
        self, supernet: Supernet, images: Tensor, labels: Tensor, sparsity: SparsityConfig, *, seed: int
    ) -> None:
        self._supernet = supernet
        self._sparsity = sparsity
        self._gradients = copy.deepcopy(supernet)
        state = {**supernet.state_dict(), **gradient_scale(supernet, images, labels, seed)}
        self._gradients.load_state_dict(state)
        self._known: dict[tuple[object, ...], tuple[float, ...]] = {}
        self._sliced: tuple[SubnetSpec, dict[str, Tensor], dict[str, Tensor]] | None = None

    def increases(self, subnet: SubnetSpec, layer: WeightedLayer, block: tuple[int, int]) -> Sequence[float]:
        """For each of ``sparsity.ratios``, what the loss gains if ``layer`` is pruned to it in blocks of ``block``."""
        key = (layer.name, layer.shape, block, _block_of(subnet, layer))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._increases(subnet, layer, block)
        return known

    @torch.no_grad()
    def _increases(self, subnet: SubnetSpec, layer: WeightedLayer, block: tuple[int, int]) -> tuple[float, ...]:
        if self._sliced is None or self._sliced[0] != subnet:
            self._sliced = (subnet, self._supernet.slices(subnet), self._gradients.slices(subnet))
        weight, gradient = (slices[f"{layer.name}.weight"] for slices in self._sliced[1:])
        order = removal_order(weight, block, self._sparsity.criterion, gradient)
        salience = block_sums((weight.double() * gradient.double()) ** 2, block).flatten()[order]
        total = np.concatenate([[0.0], np.cumsum(salience.cpu().numpy())])
        ratios = (LayerSparsity(block, ratio) for ratio in self._sparsity.ratios)
        return tuple(float(total[zero_blocks(layer.shape, ratio)]) for ratio in ratios)


def _block_of(subnet: SubnetSpec, layer: WeightedLayer) -> Block | None:
    """The block that ``layer`` belongs to, if any: where heads are elastic, weights of one shape may differ."""
    parts = layer.name.split(".")
    return subnet.stages[int(parts[1])].blocks[int(parts[3])] if parts[0] == "stages" else None
