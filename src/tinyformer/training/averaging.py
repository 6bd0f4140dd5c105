# SPDX-License-Identifier: Apache-2.0
"""An exponential moving average of the weights."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn


class WeightAverage(Callback):
    """Averages all floating-point parameters and buffers of a module, and validates with the average.

    The decay grows with the number of updates n as (1 + n) / (10 + n) up to ``decay``, so that a short run does not
    remember its initialization. The average is part of the trainer's checkpoints. It becomes the module's weights when
    :meth:`copy_to` is called: Lightning leaves its own hooks out when a finished run is resumed.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model = model
        self._decay = decay
        self._updates = 0
        self._average: dict[str, Tensor] = {}
        self._held: dict[str, Tensor] = {}
        self._current: list[Tensor] | None = None
        """The module's tensors, in the order of the average; they are changed in place, never exchanged."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Update the average after each step."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        with torch.no_grad():
            if self._current is None:
                self._current = [tensor.detach() for _, tensor in _tensors(self._model)]
            if not self._average:
                self._average = {name: tensor.detach().clone() for name, tensor in _tensors(self._model)}
            else:  # one call for all: a loop over tensors costs a fifth of a small network's step
                torch._foreach_lerp_(list(self._average.values()), self._current, 1 - decay)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the average in place of the weights."""
        self._held = {name: tensor.clone() for name, tensor in _tensors(self._model)}
        self.copy_to(self._model)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the weights back."""
        _assign(self._model, self._held)
        self._held = {}

    def copy_to(self, model: nn.Module) -> None:
        """Overwrite the weights of ``model`` by their average; with no updates yet they stay."""
        _assign(model, self._average)

    def state_dict(self) -> dict[str, Any]:
        """The average and the number of updates."""
        return {"updates": self._updates, "average": self._average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        self._updates = state_dict["updates"]
        average = state_dict["average"]
        tensors = _tensors(self._model) if average else []  # in the order of the module, whatever the file's
        self._average = {name: average[name].to(tensor.device) for name, tensor in tensors}


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, tensor) for name, tensor in model.state_dict(keep_vars=True).items() if tensor.is_floating_point()]


def _assign(model: nn.Module, values: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in _tensors(model):
            if name in values:
                tensor.copy_(values[name])
