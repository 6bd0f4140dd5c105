# SPDX-License-Identifier: Apache-2.0
"""Optimizers: Muon's steps, the groups that parameters fall into, and the schedules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tinyformer.config.training import TrainingConfig
from tinyformer.training.muon import Muon, orthogonalize
from tinyformer.training.schedule import build_optimizer, parameter_groups, warmup_cosine, warmup_linear


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.conv_bn = nn.BatchNorm2d(8)
        self.classifier = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.conv_bn(self.conv(x)).mean(dim=(2, 3)))


@pytest.mark.parametrize("shape", [(2, 8, 32), (3, 24, 6), (1, 16, 16)])
def test_orthogonalized_matrices_have_singular_values_about_one(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrices, 12))
    assert values.min() > 0.5
    assert values.max() < 1.35


def test_muon_turns_matrices_of_fixed_norm_and_takes_plain_steps_elsewhere() -> None:
    model = Network()
    matrices = [model.conv.weight]
    plain = {"params": [model.conv_bn.weight], "orthogonal": False, "momentum": 0.0, "weight_decay": 0.5}
    optimizer = Muon([{"params": matrices}, plain], lr=0.1)
    model(torch.randn(4, 3, 8, 8)).square().sum().backward()
    scale, gradient = model.conv_bn.weight.detach().clone(), model.conv_bn.weight.grad
    assert gradient is not None
    optimizer.step()
    torch.testing.assert_close(model.conv_bn.weight.detach(), scale * (1 - 0.1 * 0.5) - 0.1 * gradient)
    assert abs(float(model.conv.weight.detach().norm()) - 8**0.5) < 0.1 * 8**0.5 * 1.3


def test_parameters_fall_into_three_groups_with_rates_of_their_own() -> None:
    settings = TrainingConfig(
        epochs=2, batch_size=1, learning_rate=0.1, head_learning_rate=0.3, vector_learning_rate=0.02, weight_decay=0.5,
        warmup_epochs=0,
    )  # fmt: skip
    model = Network()
    groups = parameter_groups(model, settings)
    assert [len(group["params"]) for group in groups.values()] == [1, 1, 3]
    assert [(group["lr"], group["weight_decay"]) for group in groups.values()] == [(0.1, 0.5), (0.3, 0.5), (0.02, 0.0)]
    for name in ("adamw", "sgd", "muon"):
        optimizer, schedule = build_optimizer(model, settings.model_copy(update={"optimizer": name}), 10, 2)
        assert sorted(group["initial_lr"] for group in optimizer.param_groups) == [0.02, 0.1, 0.3]
        assert schedule.get_last_lr()[0] < 0.1, "it warms up"


@pytest.mark.parametrize("shape", [warmup_cosine, warmup_linear])
def test_schedules_rise_and_fall_to_zero(shape: object) -> None:
    assert callable(shape)
    rates = [shape(step, 100, 10) for step in range(101)]
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) == pytest.approx(1)
    assert rates[100] == pytest.approx(0, abs=1e-9)
