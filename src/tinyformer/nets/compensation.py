# SPDX-License-Identifier: Apache-2.0
"""Weights that make up for those pruned beside them: layer-wise least squares on calibration images.

A pruned layer's kept weights are changed so that its outputs on the images stay as close as possible to those of the
unpruned weights. With H the covariance of the layer's inputs, each output's row w' minimises

    (w' - w) (H + ridge) (w' - w)^T    with w' = 0 where the mask is false,

the problem of Optimal Brain Surgeon and SparseGPT (Hassibi and Stork 1993; Frantar and Alistarh, arXiv 2301.00774)
solved for all weights of a row at once. Conjugate gradients do it for all rows together, whatever their masks: each
step is one product with H, which accelerators and processors alike are good at.

The covariance is centred: what an output's mean loses goes to the bias where there is one, and to the BatchNorm that
follows where not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyformer.nets.pruning import Masks

_RIDGE = 0.01
"""Of the mean variance of an input: keeps weights near the old ones where the images say little."""

_STEPS = 32
"""Of conjugate gradients, at most."""

_POSITIONS = 16384
"""Output positions per layer that its covariance is made of: a few times the inputs of wide layers."""


@torch.no_grad()
def compensate(model: nn.Module, masks: Masks, images: Tensor) -> None:
    """Mask the weights of ``model`` and adjust those that are kept, in place; ``images`` are (N, C, H, W).

    Layers are treated in the order in which they run, each with the inputs that it gets from those before it, in one
    pass. Statistics of BatchNorm follow the images: recalibrate them afterwards. The model's mode is left as it was.
    """
    hooks = [model.get_submodule(layer).register_forward_pre_hook(_adjustment(mask)) for layer, mask in masks.items()]
    modes = {module: module.training for module in model.modules()}
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    try:
        model(images)
    finally:
        for module, mode in modes.items():
            module.training = mode
        for hook in hooks:
            hook.remove()


def least_squares(weight: Tensor, mask: Tensor, covariance: Tensor) -> Tensor:
    """Rows (O, K) that replace ``weight`` (O, K), zero where ``mask`` is false; ``covariance`` is (K, K).

    Jacobi-preconditioned conjugate gradients, every row with step lengths of its own.
    """
    diagonal = covariance.diagonal()
    ridge = _RIDGE * diagonal.mean().clamp_min(torch.finfo(covariance.dtype).tiny)
    scale = (diagonal + ridge).reciprocal()
    solution = weight * mask

    def product(rows: Tensor) -> Tensor:
        return (rows @ covariance + ridge * rows) * mask

    residual = product(weight - solution)
    preconditioned = residual * scale
    direction = preconditioned
    energy = (residual * preconditioned).sum(dim=1, keepdim=True)
    for _ in range(min(_STEPS, weight.shape[1])):
        image = product(direction)
        length = _ratio(energy, (direction * image).sum(dim=1, keepdim=True))
        solution = solution + length * direction
        residual = residual - length * image
        preconditioned = residual * scale
        previous, energy = energy, (residual * preconditioned).sum(dim=1, keepdim=True)
        direction = preconditioned + _ratio(energy, previous) * direction
    return solution


def _adjustment(mask: Tensor) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    """A hook that changes a layer's weights once its inputs are known."""

    def adjust(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        samples = _samples(layer, inputs[0].float())
        mean = samples.mean(dim=0)
        centred = samples - mean
        old = layer.weight.flatten(1).float()
        new = least_squares(old, mask.flatten(1), centred.T @ centred / len(samples))
        if layer.bias is not None:
            layer.bias += (old - new) @ mean
        layer.weight.copy_(new.view_as(layer.weight))

    return adjust


def _samples(layer: nn.Conv2d | nn.Linear, x: Tensor) -> Tensor:
    """Inputs (positions, K) of single outputs of ``layer``, evenly spread over images and positions."""
    if isinstance(layer, nn.Linear):
        tokens = x.reshape(-1, x.shape[-1])
        return tokens[:: max(1, len(tokens) // _POSITIONS)]
    stride = int(layer.stride[0])
    positions = len(x) * (-(-x.shape[2] // stride)) * (-(-x.shape[3] // stride))
    coarse = stride * max(1, math.isqrt(positions // _POSITIONS))
    assert isinstance(layer.padding, tuple)
    windows = F.unfold(x, layer.kernel_size, layer.dilation, layer.padding, (coarse, coarse))
    return windows.transpose(1, 2).reshape(-1, windows.shape[1])


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, 0 where b is 0: a row that is solved stays."""
    return torch.where(b > 0, a / b.clamp_min(torch.finfo(b.dtype).tiny), 0.0)
