# SPDX-License-Identifier: Apache-2.0
"""The weight-sharing supernet: one set of parameters in which every sub-network's are slices.

A supernet's parameters bear the names they have in a :class:`Subnet`, at the largest size that any path needs. A path
takes

- the leading output and input channels of convolutions, linear layers and norms (elastic width, expansion, MLP ratio),
- the leading heads, and of each head the leading channels,
- the centre of a k x k kernel,
- the leading layers of a transformer block, and leaves skipped blocks out (elastic depth).

The kinds of blocks at one position share nothing. Forward runs a :class:`Subnet` over those slices, so that a path
and the sub-network extracted from it are the same computation.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tinyformer.errors import TinyFormerError
from tinyformer.nets.blocks import ConvUnit, build_block
from tinyformer.nets.choices import Position, corner
from tinyformer.nets.spec import Activation, Place, SubnetSpec, TransformerBlock
from tinyformer.nets.subnet import Subnet
from tinyformer.nets.supernet_spec import StageChoices, SupernetSpec, TransformerChoices

_HEAD_ROWS = ("q", "k", "v")
_HEAD_COLUMNS = ("proj",)


class Supernet(nn.Module):
    """Shared weights of all sub-networks of ``spec``."""

    def __init__(self, spec: SupernetSpec) -> None:
        super().__init__()
        self.spec = spec
        stem, activation = spec.stem_widths[-1], spec.activation
        self.stem = ConvUnit(spec.channels, stem, spec.stem_kernel, spec.stem_stride, activation=activation)
        stages = groupby(spec.widest().walk(), key=lambda place: place.stage)
        self.stages = nn.ModuleList(_shared_stage(list(places), spec.stages[i], activation) for i, places in stages)
        width, head = spec.stages[-1].widths[-1], spec.head_widths[-1]
        self.head = ConvUnit(width, head, 1, 1, activation=activation) if head else nn.Identity()
        self.classifier = nn.Linear(head or width, spec.classes)

    def forward(self, x: Tensor, path: SubnetSpec) -> Tensor:
        """Images (N, channels, image_size, image_size) -> logits (N, classes) of the sub-network ``path``."""
        skeleton = _skeleton(path)
        skeleton.train(self.training)
        logits: Tensor = functional_call(skeleton, self.slices(path), (x,), strict=True)
        return logits

    def slices(self, path: SubnetSpec) -> dict[str, Tensor]:
        """Parameters and buffers of ``path`` by their names in a :class:`Subnet`.

        They are views, or differentiable copies where a view would not be contiguous (contiguous weights make a path
        and its extracted sub-network run the same kernels); buffers are always views, so that BatchNorm updates the
        shared statistics. Raises :class:`TinyFormerError` if ``path`` is not one of this supernet's.
        """
        if not self.spec.contains(path):
            raise TinyFormerError("The sub-network does not belong to this supernet; it was searched in another space.")
        shared = dict(self.named_parameters()) | dict(self.named_buffers())
        return {name: self._slice(name, shared[name], shape, path) for name, shape in _shapes(path).items()}

    def _slice(self, name: str, shared: Tensor, shape: tuple[int, ...], path: SubnetSpec) -> Tensor:
        parts = name.split(".")
        if parts[-2] in _HEAD_ROWS + _HEAD_COLUMNS:
            i, j = int(parts[1]), int(parts[3])
            block = path.stages[i].blocks[j]
            if isinstance(block, TransformerBlock):  # other kinds with heads are not elastic in them
                return self._slice_heads(name, shared, shape, block, self.spec.stages[i].positions[j])
        return _leading(shared, shape).contiguous()

    def _slice_heads(
        self, name: str, shared: Tensor, shape: tuple[int, ...], block: TransformerBlock, choices: Position
    ) -> Tensor:
        """Leading heads and leading channels of each: the axis of heads * channels seen as two axes."""
        head_dim = next(choice.head_dims[-1] for choice in choices if isinstance(choice, TransformerChoices))
        layer, parameter = name.split(".")[-2:]
        inner = (block.heads, block.head_dim)
        if layer in _HEAD_ROWS:
            taken = _leading(shared.unflatten(0, (-1, head_dim)), (*inner, *shape[1:]))
        elif parameter == "weight":
            taken = _leading(shared.unflatten(1, (-1, head_dim)), (shape[0], *inner))
        else:
            taken = _leading(shared, shape)
        return taken.reshape(shape).contiguous()


def extract(supernet: Supernet, path: SubnetSpec) -> Subnet:
    """``path`` as a network of its own, on the supernet's device: copies of its slices.

    Its outputs are the supernet's to the bit, in either mode.
    """
    with torch.device("meta"):  # no weights are drawn only to be overwritten
        subnet = Subnet(path)
    copies = {name: value.detach().clone() for name, value in supernet.slices(path).items()}
    subnet.load_state_dict(copies, assign=True)
    return subnet.train(supernet.training)


def _shared_stage(places: list[Place], stage: StageChoices, activation: Activation) -> nn.Module:
    """Parameters of a stage at its largest widths: at each position those of the largest block of every kind (their
    names are disjoint)."""
    shared = nn.Module()
    shared.blocks = nn.ModuleList()
    for place, position in zip(places, stage.positions, strict=True):
        merged = nn.Module()
        for choices in position:
            block = build_block(place._replace(block=corner(choices, -1)), activation)
            for name, child in block.named_children():
                merged.add_module(name, child)
        shared.blocks.append(merged)
    return shared


def _leading(shared: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The first entries of every axis, but the centre of a convolution kernel's height and width."""
    kernel_axes = (2, 3) if len(shape) == 4 else ()
    for axis, size in enumerate(shape):
        spare = shared.shape[axis] - size
        if spare:
            shared = shared.narrow(axis, spare // 2 if axis in kernel_axes else 0, size)
    return shared


@lru_cache(maxsize=512)
def _skeleton(path: SubnetSpec) -> Subnet:
    """A sub-network without storage, to be run over slices."""
    with torch.device("meta"):
        return Subnet(path)


@lru_cache(maxsize=512)
def _shapes(path: SubnetSpec) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in _skeleton(path).state_dict().items()}
