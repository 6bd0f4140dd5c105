"""Block pruning in one shot: from a sparsity plan and trained weights to masks, and what a set of weights really is.

A layer's weights, (O, I) or (O, I, KH, KW), are seen as (O, taps, I) and cut into blocks by
:mod:`tinyformer.ir.blocks`, which the compiler uses too: a block that is zero here is a block that the engine
neither stores nor multiplies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tinyformer.config.sparsity import Criterion
from tinyformer.errors import TinyFormerError
from tinyformer.ir.blocks import from_blocks, to_blocks
from tinyformer.nets.plan_counts import zero_blocks
from tinyformer.nets.spec import LayerSparsity, SparsityPlan, SubnetSpec, weighted_layers

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
        blocks = _blocks(state[f"{layer}.weight"], sparsity.block)
        found = int(np.count_nonzero(~_any(blocks)))
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
        alive = _any(_blocks(weight, shape))
        kept = _from_blocks(np.broadcast_to(alive[..., None, None], (*alive.shape, *shape)), weight)
        total += weight.numel()
        zero += weight.numel() - int(np.count_nonzero(kept))
    return zero / total if total else 0.0


def _layer_mask(weight: Tensor, sparsity: LayerSparsity, criterion: Criterion, gradient: Tensor | None) -> Tensor:
    importance = _importance(_view(weight), criterion, None if gradient is None else _view(gradient))
    scores = to_blocks(importance, sparsity.block).sum(axis=(-2, -1))
    alive = _keep(scores.reshape(len(scores), -1), zero_blocks(tuple(weight.shape), sparsity)).reshape(scores.shape)
    mask = _from_blocks(np.broadcast_to(alive[..., None, None], (*scores.shape, *sparsity.block)), weight)
    return torch.from_numpy(mask).to(weight.device)


def _keep(scores: NDArray[np.float64], remove: int) -> NDArray[np.bool_]:
    """All but the ``remove`` blocks of least score; ``scores`` is (block rows, blocks of a row).

    The best block of each block row goes last, for outputs without weights are constants.
    """
    best = np.zeros(scores.shape, bool)
    best[np.arange(len(scores)), scores.argmax(axis=1)] = True
    order = np.lexsort((scores.reshape(-1), best.reshape(-1)))
    keep = np.ones(scores.size, bool)
    keep[order[:remove]] = False
    return keep.reshape(scores.shape)


def _importance(
    weights: NDArray[np.float64], criterion: Criterion, gradients: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Importance of every weight, (O, taps, I); a block's is the sum.

    ``l2`` orders blocks by their L2 norm (Han et al. 2015, per block); ``normalized`` by the norm after each output was
    scaled to unit norm; ``taylor`` by the squared first-order terms (Molchanov et al. 2019, eq. 8, per weight).
    """
    match criterion:
        case "l2":
            return weights**2
        case "normalized":
            norms = (weights**2).sum(axis=(1, 2), keepdims=True)
            return weights**2 / np.where(norms > 0, norms, 1.0)
        case "taylor":
            if gradients is None:
                raise ValueError("the taylor criterion needs gradients")
            return (weights * gradients) ** 2


def _view(tensor: Tensor) -> NDArray[np.float64]:
    """(O, I) or (O, I, KH, KW) as (O, taps, I), double precision."""
    array = tensor.detach().cpu().double().numpy()
    return array.reshape(*array.shape[:2], -1).transpose(0, 2, 1)


def _blocks(weight: Tensor, shape: tuple[int, int]) -> NDArray[np.float64]:
    return to_blocks(_view(weight), shape)


def _any(blocks: NDArray) -> NDArray[np.bool_]:
    return (blocks != 0).any(axis=(-2, -1))


def _from_blocks(blocks: NDArray[np.bool_], like: Tensor) -> NDArray[np.bool_]:
    """Blocks back to a contiguous array of ``like``'s shape."""
    weights = from_blocks(blocks, like.shape[0], like.shape[1])
    return np.ascontiguousarray(weights.transpose(0, 2, 1)).reshape(tuple(like.shape))
