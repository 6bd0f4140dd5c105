# SPDX-License-Identifier: Apache-2.0
"""Muon: steps of orthogonalized momentum for matrices (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""The quintic a X + b X X' X + c X X' X X' X whose iteration takes all singular values to about 1."""


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose matrix is replaced by the nearest (semi-)orthogonal one; plain SGD where that is no use.

    A group with ``orthogonal`` true holds parameters of two or more axes; a convolution's weights (O, I, KH, KW) are
    the matrix (O, I * KH * KW). Before each step a matrix is scaled to the norm sqrt(O), so that the learning rate
    alone says how far its direction turns: meant for weights in front of a norm, whose scale means nothing, and
    harmless elsewhere at the usual sizes. The other groups (biases, norms, the classifier) take SGD's Nesterov steps
    with decoupled ``weight_decay``.
    """

    def __init__(self, params: Iterable[Any], lr: float, momentum: float = 0.6, iterations: int = 3) -> None:
        defaults = {
            "lr": lr, "momentum": momentum, "iterations": iterations, "orthogonal": True, "weight_decay": 0.0
        }  # fmt: skip
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; matrices of one shape are orthogonalized together."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[torch.Size | None, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape if group["orthogonal"] else None].append(parameter)
            for parameters in alike.values():
                directions = self._directions(parameters, group)
                if group["orthogonal"]:
                    directions = _orthogonal_updates(parameters, directions, group["iterations"])
                elif group["weight_decay"]:
                    torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(parameters, directions, alpha=-group["lr"])
        return loss

    def _directions(self, parameters: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        """Gradients with Nesterov momentum."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        buffers = [self._buffer(parameter) for parameter in parameters]
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, gradients)
        return list(torch._foreach_add(gradients, buffers, alpha=group["momentum"]))

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum"]
        return buffer


def _orthogonal_updates(parameters: list[Tensor], directions: list[Tensor], iterations: int) -> list[Tensor]:
    """Scales ``parameters`` (of one shape) to their norm and returns the orthogonalized ``directions``."""
    orthogonal = orthogonalize(torch.stack([direction.flatten(1) for direction in directions]), iterations)
    norms = torch.stack(torch._foreach_norm(parameters)).clamp(min=1e-7)
    torch._foreach_mul_(parameters, list((len(parameters[0]) ** 0.5 / norms).unbind()))
    return [update.reshape(parameter.shape) for update, parameter in zip(orthogonal, parameters, strict=True)]


def orthogonalize(matrices: Tensor, iterations: int) -> Tensor:
    """The (semi-)orthogonal matrices nearest to ``matrices`` (N, O, I), roughly, by Newton-Schulz; bfloat16 on GPUs."""
    if not matrices.is_cuda:
        return _newton_schulz(matrices, iterations)
    key = (tuple(matrices.shape), iterations, matrices.device)
    if key not in _recorded:
        _recorded[key] = _Recorded(matrices, iterations)
    return _recorded[key](matrices)


def _newton_schulz(matrices: Tensor, iterations: int) -> Tensor:
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    for _ in range(iterations):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=_B, alpha=_C), x, beta=_A)
    result: Tensor = x.mT if tall else x
    return result


class _Recorded:
    """The iteration for matrices of one shape as a CUDA graph: thirty small kernels started at once."""

    def __init__(self, matrices: Tensor, iterations: int) -> None:
        self._input = matrices.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # what libraries set up at first use may not be recorded
            _newton_schulz(self._input.bfloat16(), iterations)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = _newton_schulz(self._input.bfloat16(), iterations).to(matrices.dtype)

    def __call__(self, matrices: Tensor) -> Tensor:
        self._input.copy_(matrices)
        self._graph.replay()
        return self._output


_recorded: dict[tuple[tuple[int, ...], int, torch.device], _Recorded] = {}
