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

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Update the average after each step."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        with torch.no_grad():
            for name, tensor in _tensors(self._model):
                if name not in self._average:
                    self._average[name] = tensor.clone()
                else:
                    self._average[name].lerp_(tensor, 1 - decay)

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
        current = dict(_tensors(self._model))
        self._average = {name: tensor.to(current[name].device) for name, tensor in state_dict["average"].items()}


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, tensor) for name, tensor in model.state_dict(keep_vars=True).items() if tensor.is_floating_point()]


def _assign(model: nn.Module, values: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in _tensors(model):
            if name in values:
                tensor.copy_(values[name])
