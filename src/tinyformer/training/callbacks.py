# SPDX-License-Identifier: Apache-2.0
"""What a training run reports, independent of where it was resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

OnMetrics = Callable[[Mapping[str, float], int], None]
"""Receives the metrics of an epoch and its number, counted from 1."""


class MetricsRecorder(Callback):
    """Reports what the module logged, once an epoch; a resumed run reports the earlier epochs again first."""

    def __init__(self, on_metrics: OnMetrics | None) -> None:
        self._on_metrics = on_metrics
        self._history: list[dict[str, float]] = []
        self._validated = False

    @property
    def last(self) -> dict[str, float]:
        """The metrics of the latest epoch; empty before the first."""
        return self._history[-1] if self._history else {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lightning keeps old validation metrics; only an epoch that was validated reports them."""
        self._validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the epoch."""
        metrics = {
            name: float(value)
            for name, value in sorted(trainer.callback_metrics.items())
            if self._validated or not name.startswith("val")
        }
        self._validated = False
        self._history.append(metrics)
        if self._on_metrics is not None and trainer.is_global_zero:
            self._on_metrics(metrics, len(self._history))

    def state_dict(self) -> dict[str, Any]:
        """All epochs so far."""
        return {"history": self._history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the earlier epochs and report them."""
        self._history = state_dict["history"]
        if self._on_metrics is not None:
            for epoch, metrics in enumerate(self._history, 1):
                self._on_metrics(metrics, epoch)
