# SPDX-License-Identifier: Apache-2.0
"""The channels of a trained network in the order of their importance: smaller sub-networks take the leading ones.

A network computes the same whatever the order of the channels between its layers. So before the largest network's
weights are shared, its channels are sorted by how much the layers that read them make of them: the sum of absolute
weights, as in progressive shrinking (Cai et al., arXiv 1908.09791). Channels that are added to each other, or pass
through a depthwise layer, move together; attention heads move as a whole, and channels within their head.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from tinyformer.nets.kinds.base import Feature
from tinyformer.nets.spec import SubnetSpec, downsampled
from tinyformer.nets.subnet import Subnet


@torch.no_grad()
def sort_channels(subnet: Subnet) -> None:
    """Reorder the channels of ``subnet``, in place, the most important first; its outputs stay the same but for the
    order of additions."""
    channels = _Channels()
    subnet.spec.build(channels, channels.input(subnet.spec))
    state = subnet.state_dict()
    orders = channels.orders(state)
    for layer in channels.layers:
        inputs, outputs = (orders.get(channels.root(group)) for group in (layer.inputs, layer.outputs))
        if outputs is not None:
            for suffix in ("", "_bn"):
                for parameter in ("weight", "bias", "running_mean", "running_var"):
                    tensor = state.get(f"{layer.name}{suffix}.{parameter}")
                    if tensor is not None:
                        tensor.copy_(tensor[outputs])
        if inputs is not None and not layer.per_channel:
            weight = state[f"{layer.name}.weight"]
            weight.copy_(weight[:, inputs])


class _Layer(NamedTuple):
    """Something with weights, and the groups of the channels that it reads and writes."""

    name: str
    inputs: int
    outputs: int
    per_channel: bool = False
    """Whether each channel has its own weights: norms and depthwise layers."""


class _Channels:
    """A :class:`~tinyformer.nets.kinds.base.NetworkBuilder` that finds out which channels move together.

    The name of a feature is the number of the group that its channels belong to.
    """

    def __init__(self) -> None:
        self.layers: list[_Layer] = []
        self._parents: list[int] = []
        self._heads: dict[int, int] = {}
        self._fixed: set[int] = set()

    def input(self, spec: SubnetSpec) -> Feature:
        """The image, whose channels keep their places."""
        image = self._feature(spec.channels, spec.image_size)
        self._fixed.add(int(image.name))
        return image

    def root(self, group: int) -> int:
        """The group that ``group`` has become part of."""
        while self._parents[group] != group:
            group = self._parents[group]
        return group

    def orders(self, state: Mapping[str, Tensor]) -> dict[int, Tensor]:
        """For every group that may move the indices of its channels, the most important first."""
        importance: dict[int, Tensor] = {}
        for layer in self.layers:
            group = self.root(layer.inputs)
            if not layer.per_channel:
                read = state[f"{layer.name}.weight"].abs().transpose(0, 1).flatten(1).sum(dim=1).double()
                importance[group] = importance.get(group, 0) + read / read.mean().clamp_min(1e-30)
        fixed = {self.root(group) for group in self._fixed}
        heads = {self.root(group): count for group, count in self._heads.items()}
        return {
            group: _order(values, heads.get(group, 1)) for group, values in importance.items() if group not in fixed
        }

    def conv(
        self, name: str, x: Feature, outputs: int, kernel: int, stride: int = 1, *, activation: bool = True
    ) -> Feature:
        return self._layer(name, x, self._feature(outputs, downsampled(x.size, stride)))

    def depthwise(self, name: str, x: Feature, kernel: int, stride: int = 1, *, activation: bool = True) -> Feature:
        self._per_channel(name, x)
        return x._replace(size=downsampled(x.size, stride))

    def linear(self, name: str, x: Feature, outputs: int, scale: float = 1.0) -> Feature:
        return self._layer(name, x, self._feature(outputs, x.size))

    def classify(self, x: Feature, classes: int) -> None:
        logits = self._layer("classifier", x, self._feature(classes, 1))
        self._fixed.add(int(logits.name))

    def max_pool(self, name: str, x: Feature, size: int) -> Feature:
        return x._replace(size=x.size // size)

    def pool_tokens(self, layer: str, x: Feature, pool: int) -> Feature:
        return x._replace(size=x.size // pool)

    def add(self, name: str, a: Feature, b: Feature, *, activation: bool = False) -> Feature:
        self._join(a, b)
        return a

    def tokens(self, prefix: str, x: Feature) -> Feature:
        return x

    def image(self, prefix: str, x: Feature) -> Feature:
        return x

    def layer_norm(self, name: str, x: Feature) -> Feature:
        self._per_channel(name, x)
        return x

    def gelu(self, name: str, x: Feature) -> Feature:
        return x

    def split_heads(self, name: str, x: Feature, heads: int, *, keys: bool = False) -> Feature:
        self._heads[int(x.name)] = heads
        return x

    def attend(self, layer: str, q: Feature, k: Feature, v: Feature, heads: int) -> Feature:
        """Queries and keys move with the values, whose importance is known."""
        self._join(q, v)
        self._join(k, v)
        return v

    def _feature(self, channels: int, size: int) -> Feature:
        self._parents.append(len(self._parents))
        return Feature(str(self._parents[-1]), channels, size)

    def _layer(self, name: str, x: Feature, y: Feature) -> Feature:
        self.layers.append(_Layer(name, int(x.name), int(y.name)))
        return y

    def _per_channel(self, name: str, x: Feature) -> None:
        self.layers.append(_Layer(name, int(x.name), int(x.name), per_channel=True))

    def _join(self, a: Feature, b: Feature) -> None:
        self._parents[self.root(int(a.name))] = self.root(int(b.name))


def _order(importance: Tensor, heads: int) -> Tensor:
    """Indices of the channels, heads by their sum, then the channels of each head."""
    by_head = importance.view(heads, -1)
    within = by_head.argsort(dim=1, descending=True, stable=True)
    order = by_head.sum(dim=1).argsort(descending=True, stable=True)
    width = by_head.shape[1]
    return (order[:, None] * width + within[order]).flatten()
