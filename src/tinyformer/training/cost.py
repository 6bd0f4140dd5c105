# SPDX-License-Identifier: Apache-2.0
"""What a training costs: its floating-point operations, and from the rate of its first steps the hours."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

BACKWARD = 2
"""Operations of a backward pass, as multiples of the forward pass's."""

_SKIPPED, _MEASURED = 3, 20
"""Steps that warm caches up, and steps that are timed after them."""


@torch.no_grad()
def forward_flop(model: nn.Module, image: Tensor) -> float:
    """Floating-point operations (two a multiply-accumulate) of ``model`` on one image (1, C, H, W).

    Convolutions, linear layers and matrix products count, as torch counts them. The model is left as it was.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with FlopCounterMode(display=False) as counter:
            model(image)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return float(counter.get_total_flops())


class CostStatement(Callback):
    """Prints on standard error what the training ``name`` costs, once its first steps have been timed.

    ``flop`` are the operations of a step for one image, forward and backward. Nothing of a result depends on it.
    """

    def __init__(self, name: str, flop: float) -> None:
        self._name = name
        self._flop = flop
        self._steps = 0
        self._images = 0
        self._since = 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Time the first steps after a start or a resume."""
        self._steps += 1
        if self._steps > _SKIPPED + _MEASURED:
            return
        if self._steps > _SKIPPED:
            self._images += len(batch[0])
        if self._steps not in (_SKIPPED, _SKIPPED + _MEASURED):
            return
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        if self._steps == _SKIPPED:
            self._since = time.perf_counter()
        elif trainer.is_global_zero:
            rate = self._images * self._flop / (time.perf_counter() - self._since)
            steps = int(trainer.estimated_stepping_batches)
            total = steps * self._images / _MEASURED * self._flop
            text = statement(self._name, total, rate, total * (1 - trainer.global_step / steps))
            Console(stderr=True, soft_wrap=True, highlight=False).print(text)


def statement(name: str, total: float, rate: float, left: float) -> str:
    """One sentence about a training of ``total`` operations at ``rate`` a second, of which ``left`` are to come."""
    return (
        f"{name}: {total:.1e} FLOP on each device; at {rate / 1e9:.1f} GFLOP/s, measured over {_MEASURED} steps, "
        f"{left / rate / 3600:.2f} h to go without validation."
    )
