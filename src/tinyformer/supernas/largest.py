# SPDX-License-Identifier: Apache-2.0
"""Progressive shrinking's first part: the largest sub-network is trained alone, then moved into the supernet."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from tinyformer.config.training import DistillationConfig
from tinyformer.nets.blocks import initialize
from tinyformer.nets.spec import SubnetSpec
from tinyformer.nets.subnet import Subnet
from tinyformer.nets.supernet import Supernet
from tinyformer.training.callbacks import OnMetrics
from tinyformer.training.checkpoint import checkpoint_key, load_checkpoint, save_checkpoint
from tinyformer.training.student import NoZeros, Run, StudentModule, train_student

_TRAINED = "trained.safetensors"


def train_largest(
    largest: SubnetSpec, settings: DistillationConfig, run: Run, on_metrics: OnMetrics | None = None
) -> Subnet:
    """The network ``largest``, trained by itself, on the CPU and in eval mode.

    Its weights stay beside the checkpoints, so that a run killed in what follows does not train it again;
    ``on_metrics`` hears of all epochs either way: ``train_loss`` and, where it was validated,
    ``val_accuracy_largest``. Raises :class:`TinyFormerError` for damaged checkpoints or a diverged loss.
    """
    subnet = Subnet(largest)
    trained = run.checkpoints / _TRAINED
    if trained.exists() and checkpoint_key(trained) == run.key:
        state = load_checkpoint(trained)
        subnet.load_state_dict(state["weights"])
        for epoch, metrics in enumerate(state["history"], 1):
            if on_metrics is not None:
                on_metrics(metrics, epoch)
        return subnet.eval()
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    initialize(subnet, torch.Generator().manual_seed(run.seed))
    history: dict[int, dict[str, float]] = {}

    def record(metrics: Mapping[str, float], epoch: int) -> None:
        history[epoch] = {name.replace("val_accuracy", "val_accuracy_largest"): x for name, x in metrics.items()}
        if on_metrics is not None:
            on_metrics(history[epoch], epoch)

    module = StudentModule(subnet, None, NoZeros(), settings, "supernet_training.largest", run.trainer)
    train_student(module, settings, run, on_metrics=record)
    subnet.cpu().eval()
    curve = [history[epoch] for epoch in sorted(history)]
    save_checkpoint(trained, {"weights": subnet.state_dict(), "history": curve}, run.key)
    return subnet


def absorb(supernet: Supernet, subnet: Subnet) -> None:
    """Overwrite the slices of ``supernet`` that are ``subnet``'s by its weights and statistics."""
    with torch.no_grad():
        shared = dict(supernet.named_parameters()) | dict(supernet.named_buffers())
        for name, tensor in subnet.state_dict().items():
            shared[name].copy_(tensor)
