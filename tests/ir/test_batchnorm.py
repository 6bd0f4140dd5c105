# SPDX-License-Identifier: Apache-2.0
"""BatchNorm as factors and offsets, and folded into the layer before it."""

from __future__ import annotations

import numpy as np
import torch

from tinyformer.ir.batchnorm import factors_and_offsets, folded


def test_folding_computes_what_the_layer_and_the_batchnorm_compute() -> None:
    rng = np.random.default_rng(0)
    norm = torch.nn.BatchNorm2d(5, eps=1e-3).double().eval()
    parameters = [rng.normal(size=5), rng.normal(size=5), rng.normal(size=5), rng.uniform(0.1, 2, 5)]
    for target, values in zip((norm.weight, norm.bias, norm.running_mean, norm.running_var), parameters, strict=True):
        assert target is not None
        target.data.copy_(torch.from_numpy(values))
    layer = torch.nn.Conv2d(3, 5, 3).double()
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        expected = norm(layer(x)).numpy()
        assert layer.bias is not None
        weight, bias = folded(layer.weight.numpy(), layer.bias.numpy(), *factors_and_offsets(*parameters, 1e-3))
        y = torch.nn.functional.conv2d(x, torch.from_numpy(weight), torch.from_numpy(bias)).numpy()
    np.testing.assert_allclose(y, expected, atol=1e-12)
    assert not folded(np.zeros((5, 3)), None, *factors_and_offsets(*parameters, 1e-3))[0].any()
