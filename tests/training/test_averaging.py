# SPDX-License-Identifier: Apache-2.0
"""The average of the weights follows its recursion and survives a checkpoint."""

from __future__ import annotations

import torch
from torch import nn

from tinyformer.training.averaging import WeightAverage


def test_the_average_follows_the_weights_and_survives_a_checkpoint() -> None:
    model = nn.Linear(2, 1, bias=False)
    average = WeightAverage(model, 0.3)
    expected = torch.zeros(1, 2)
    for step in range(6):
        nn.init.constant_(model.weight, step)
        average.on_train_batch_end(None, None)  # type: ignore[arg-type]
        decay = min(0.3, (1 + step) / (10 + step))
        expected = model.weight.detach().clone() if step == 0 else decay * expected + (1 - decay) * step
        resumed = WeightAverage(model, 0.3)
        resumed.load_state_dict(average.state_dict())
        average = resumed
    average.copy_to(model)
    torch.testing.assert_close(model.weight.detach(), expected)


def test_validation_sees_the_average_and_leaves_the_weights() -> None:
    model = nn.Linear(2, 1)
    average = WeightAverage(model, 0.9)
    for value in (1.0, 2.0):
        nn.init.constant_(model.weight, value)
        average.on_train_batch_end(None, None)  # type: ignore[arg-type]
    average.on_validation_start(None, None)  # type: ignore[arg-type]
    assert 1.0 < float(model.weight.detach()[0, 0]) < 2.0
    average.on_validation_end(None, None)  # type: ignore[arg-type]
    assert bool((model.weight == 2.0).all())
