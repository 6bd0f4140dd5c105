# SPDX-License-Identifier: Apache-2.0
"""Compensation: exact least squares under any masks, in the order in which layers run, better than pruning alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from tinyformer.nets import compensation
from tinyformer.nets.compensation import compensate, least_squares
from tinyformer.nets.pruning import apply_masks, make_masks
from tinyformer.nets.spec import (
    ConvBlock,
    InvertedResidual,
    LayerSparsity,
    StageSpec,
    SubnetSpec,
    TransformerBlock,
    weighted_layers,
)
from tinyformer.nets.subnet import Subnet, recalibrate_batchnorm

SPEC = SubnetSpec(
    image_size=16, channels=3, classes=10, activation="relu", stem_width=16, stem_kernel=3, stem_stride=1,
    stages=(
        StageSpec(24, 2, (ConvBlock(3), InvertedResidual(3, 2))),
        StageSpec(32, 2, (ConvBlock(3), TransformerBlock(1, 2, 16, 2.0, 1))),
    ), head_width=0,
)  # fmt: skip


def test_rows_solve_the_ridge_regression_of_their_own_mask():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(400, 24, generator=generator, dtype=torch.float64)
    inputs[:, 12:] += 2 * inputs[:, :12]
    covariance = inputs.T @ inputs / 400
    weight = torch.randn(10, 24, generator=generator, dtype=torch.float64)
    mask = torch.rand(10, 24, generator=generator) < 0.4
    mask[0] = True
    mask[1] = False
    solved = least_squares(weight, mask, covariance)
    matrix = covariance + compensation._RIDGE * covariance.diagonal().mean() * torch.eye(24, dtype=torch.float64)
    expected = torch.zeros_like(weight)
    for row, kept in enumerate(mask):
        if kept.any():
            expected[row, kept] = torch.linalg.solve(matrix[kept][:, kept], (matrix @ weight[row])[kept])
    torch.testing.assert_close(solved, expected, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(solved[0], weight[0])
    assert not solved[1].any()


@pytest.mark.parametrize("block", [(2, 2), (4, 4), (1, 4)])
def test_outputs_stay_closer_than_after_pruning_alone(block):
    torch.manual_seed(0)
    network = Subnet(SPEC)
    images = torch.nn.functional.interpolate(torch.randn(96, 3, 4, 4), size=16, mode="bilinear")
    recalibrate_batchnorm(network, [images])
    network.eval()
    plan = {layer.name: LayerSparsity(block, 0.7) for layer in weighted_layers(SPEC) if layer.prunable}
    masks = make_masks(network.state_dict(), plan, "l2")
    pruned, compensated = copy.deepcopy(network), copy.deepcopy(network)
    apply_masks(pruned, masks)
    compensate(compensated, masks, images[:64])
    with torch.no_grad():
        expected = network(images[64:])
        for model in (pruned, compensated):
            recalibrate_batchnorm(model, [images[:64]])
        errors = [float((model(images[64:]) - expected).square().mean()) for model in (pruned, compensated)]
    assert errors[1] < 0.85 * errors[0]
    for name, mask in masks.items():
        weight = compensated.get_parameter(f"{name}.weight")
        assert not weight[~mask].any()
    assert not compensated.training and not any(module._forward_pre_hooks for module in compensated.modules())


def test_what_is_not_pruned_does_not_change():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    before = copy.deepcopy(model.state_dict())
    compensate(model, {"0": torch.ones(8, 8, dtype=torch.bool)}, torch.randn(32, 8))
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name])
