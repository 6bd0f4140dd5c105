# SPDX-License-Identifier: Apache-2.0
"""Block pruning in one shot: from a sparsity plan and trained weights to masks, and what a set of weights really is.

A layer's weights, (O, I) or (O, I, KH, KW), are cut into the blocks of :mod:`tinyformer.ir.blocks`, which the compiler
uses too: a block that is zero here is a block that the engine neither stores nor multiplies. Everything runs on the
device that the weights are on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyformer.config.sparsity import Criterion
from tinyformer.errors import TinyFormerError
from tinyformer.nets.plan_counts import zero_blocks
from tinyformer.nets.spec import LayerSparsity, SparsityPlan, SubnetSpec, weighted_layers
from tinyformer.nets.weight_blocks import block_sums, over_blocks

Masks: TypeAlias = Mapping[str, Tensor]
"""Layer name -> bool tensor of its weight's shape; true where the weight stays."""

MEASURED_BLOCK = (2, 2)
"""Blocks in which the sparsity of layers without a plan is measured."""


def make_masks(
    state: Mapping[str, Tensor],
    plan: SparsityPlan,
    criterion: Criterion,
    gradients: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Masks that remove exactly ``round(ratio * blocks)`` blocks, the least important, from every layer of ``plan``.

    Every block row (neighbouring outputs) keeps one block as long as the ratio leaves as many.

    ``state`` holds ``<layer>.weight``; ``gradients`` (same keys; for criterion ``taylor``) their loss gradients.
    Equal scores go by position, so that the result is deterministic. Layers with ratio 0 get no mask.

    Raises :class:`TinyFormerError` if a planned layer does not exist.
    """
    masks: dict[str, Tensor] = {}
    for layer, sparsity in sorted(plan.items()):
        key = f"{layer}.weight"
        if key not in state:
            raise TinyFormerError(f"The sparsity plan names layer {layer!r}, which the network does not have.")
        if sparsity.ratio == 0:
            continue
        gradient = gradients[key] if gradients is not None else None
        masks[layer] = _layer_mask(state[key], sparsity, criterion, gradient)
    return masks


def loss_gradients(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Gradients of the cross entropy on ``images`` (N, C, H, W) with ``labels`` (N,), for the criterion ``taylor``.

    The model is left in eval mode, without gradients.
    """
    model.eval()
    model.zero_grad()
    F.cross_entropy(model(images), labels).backward()
    gradients = {
        name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    model.zero_grad()
    return gradients


def apply_masks(model: nn.Module, masks: Masks) -> None:
    """Set every masked weight of ``model`` to zero, in place."""
    with torch.no_grad():
        for layer, mask in masks.items():
            model.get_parameter(f"{layer}.weight").mul_(mask)


def verify_plan(state: Mapping[str, Tensor], plan: SparsityPlan) -> None:
    """Check that the weights have at least the zero blocks that ``plan`` promises.

    Raises :class:`TinyFormerError` naming the first layer that has fewer.
    """
    for layer, sparsity in sorted(plan.items()):
        alive = _alive(state[f"{layer}.weight"], sparsity.block)
        found = int((~alive).sum())
        promised = zero_blocks(tuple(state[f"{layer}.weight"].shape), sparsity)
        if found < promised:
            raise TinyFormerError(
                f"Layer {layer!r} has {found} zero {sparsity.block[0]}x{sparsity.block[1]} blocks but its plan "
                f"promises {promised}: the weights were changed after pruning; fine-tune with the masks."
            )


def block_sparsity(state: Mapping[str, Tensor], spec: SubnetSpec, plan: SparsityPlan) -> float:
    """Measured fraction of the prunable weights that lie in zero blocks, 0 .. 1.

    Blocks have the shape that ``plan`` gives a layer, :data:`MEASURED_BLOCK` elsewhere; 0 if nothing is prunable.
    """
    zero = total = 0
    for layer in weighted_layers(spec):
        if not layer.prunable:
            continue
        weight = state[f"{layer.name}.weight"]
        shape = plan[layer.name].block if layer.name in plan else MEASURED_BLOCK
        kept = over_blocks(_alive(weight, shape), weight.shape, shape)
        total += weight.numel()
        zero += weight.numel() - int(kept.sum())
    return zero / total if total else 0.0


def removal_order(weight: Tensor, block: tuple[int, int], criterion: Criterion, gradient: Tensor | None) -> Tensor:
    """Indices of all blocks of ``weight`` (flat, as :func:`.weight_blocks.block_sums` has them), the first to go first.

    The best block of each block row goes last, for outputs without weights are constants. Equal scores go by position.
    """
    scores = block_sums(_importance(weight, criterion, gradient), block).flatten(1)
    best = torch.zeros_like(scores, dtype=torch.bool)
    best[torch.arange(len(scores), device=scores.device), scores.argmax(dim=1)] = True
    order = torch.argsort(scores.flatten(), stable=True)
    return order[torch.argsort(best.flatten()[order].byte(), stable=True)]


def _layer_mask(weight: Tensor, sparsity: LayerSparsity, criterion: Criterion, gradient: Tensor | None) -> Tensor:
    order = removal_order(weight, sparsity.block, criterion, gradient)
    alive = torch.ones_like(order, dtype=torch.bool)
    alive[order[: zero_blocks(tuple(weight.shape), sparsity)]] = False
    return over_blocks(alive, weight.shape, sparsity.block)


def _importance(weight: Tensor, criterion: Criterion, gradient: Tensor | None) -> Tensor:
    """Importance of every weight, of ``weight``'s shape, in double precision; a block's is the sum.

    ``l2`` orders blocks by their L2 norm (Han et al. 2015, per block); ``normalized`` by the norm after each output was
    scaled to unit norm; ``taylor`` by the squared first-order terms (Molchanov et al. 2019, eq. 8, per weight).
    """
    squares = weight.detach().double() ** 2
    match criterion:
        case "l2":
            return squares
        case "normalized":
            norms = squares.flatten(1).sum(dim=1).reshape(-1, *[1] * (weight.dim() - 1))
            return squares / torch.where(norms > 0, norms, 1.0)
        case "taylor":
            if gradient is None:
                raise ValueError("the taylor criterion needs gradients")
            return squares * gradient.detach().double() ** 2


def _alive(weight: Tensor, block: tuple[int, int]) -> Tensor:
    """Blocks of ``weight`` with at least one weight that is not zero: bool, as :func:`block_sums` has them."""
    return block_sums((weight != 0).double(), block) > 0
