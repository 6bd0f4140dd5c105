# SPDX-License-Identifier: Apache-2.0
"""Per-channel scales and offsets that follow no layer become 1x1 depthwise convolutions with exact real factors."""

from __future__ import annotations

import numpy as np

from tinyformer.ir.lowering.fusion import channel_affine
from tinyformer.ir.lowering.network import Affine, Network

CHANNELWISE = "Channelwise"
"""Operator type of the nodes made here; ``axis`` is the channel axis, the factors are in ``network.affine``."""

_WEIGHT = 64
"""The integer weight; the real factor is in the requantization, the bias has a resolution of 1/64 input step."""


def replace_channelwise(network: Network) -> None:
    """Turn BatchNorm, and products and sums with one constant a channel, into ``Channelwise`` nodes."""
    for node in network:
        rank = len(network.shapes.get(node.output, ()))
        if rank < 2:
            continue
        for axis in dict.fromkeys((1, rank - 1)):
            parameters = channel_affine(network, node, axis)
            if parameters is None:
                continue
            factors, offsets = parameters
            zero = factors == 0
            weights = np.where(zero, 0, np.sign(factors) * _WEIGHT).astype(np.int8)
            scale = np.where(zero, 1.0, np.abs(factors)) / _WEIGHT
            network.affine[node.output] = Affine(weights.reshape(-1, 1), scale, offsets)
            node.operator, node.inputs, node.attributes = CHANNELWISE, network.activations(node), {"axis": axis}
            break
