# SPDX-License-Identifier: Apache-2.0
"""Quantization in the forward pass of training; the backward pass takes rounding for the identity.

Straight-through estimator: Bengio et al., arXiv 1308.3432; learnt ranges after Jain et al., arXiv 1903.08066, and
Bhalgat et al., arXiv 2004.09576.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tinyformer.compression.ranges import Range
from tinyformer.ir.quantization import Quantization


class LearntRange(nn.Module):
    """Asymmetric INT8 of one activation whose range is learnt.

    The ends are the initial ones times ``exp(shift)``, so that one learning rate suits small and large activations.
    """

    def __init__(self, limits: Range) -> None:
        super().__init__()
        self.register_buffer("initial", torch.tensor([min(limits[0], 0.0), max(limits[1], 0.0)]))
        self.shift = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        """Values of any shape, rounded and clipped as QuantizeLinear and DequantizeLinear do."""
        low, high = self.ends()
        scale = ((high - low) / 255).clamp(min=2.0**-40)
        zero_point = round_through(-128 - low / scale).clamp(-128, 127)
        return fake_quantize(x, scale, zero_point)

    def limits(self) -> Range:
        """The present range."""
        low, high = self.ends().tolist()
        return low, high

    def ends(self) -> Tensor:
        """Both ends, (2,)."""
        return self.get_buffer("initial") * self.shift.exp()


class FixedRange(nn.Module):
    """INT8 with a given scale and zero point."""

    def __init__(self, quantization: Quantization) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(quantization.scale))
        self.register_buffer("zero_point", torch.tensor(float(quantization.zero_point)))

    def forward(self, x: Tensor) -> Tensor:
        """Values of any shape."""
        return fake_quantize(x, self.get_buffer("scale"), self.get_buffer("zero_point"))


def fake_quantize(x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """``x`` on the grid of INT8; its gradient is 0 where it is clipped, those of the others come from everywhere."""
    q = (round_through(x / scale) + zero_point).clamp(-128, 127)
    return (q - zero_point) * scale


def fake_quantize_weights(weights: Tensor, output_axis: int) -> Tensor:
    """Symmetric INT8, one scale for each index along ``output_axis``; zeros stay zero."""
    others = [axis for axis in range(weights.ndim) if axis != output_axis]
    scale = weights.detach().abs().amax(dim=others, keepdim=True).clamp(min=1e-12) / 127
    return round_through(weights / scale) * scale


def round_through(x: Tensor) -> Tensor:
    """Round half to even; the gradient is that of the identity."""
    return x + (x.round() - x).detach()


class FixedZeros:
    """The zeros that weights have now, to be kept during training."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self._weights = dict(weights)
        self._zero = {name: tensor.detach() == 0 for name, tensor in weights.items()}

    @torch.no_grad()
    def apply(self) -> None:
        """Make them +0.0 again."""
        for name, weight in self._weights.items():
            weight.masked_fill_(self._zero[name].to(weight.device), 0.0)

    def hide(self) -> None:
        """Make them +0.0 again."""
        self.apply()

    def release(self) -> None:
        """Nothing: they never grow again."""
