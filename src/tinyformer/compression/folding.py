# SPDX-License-Identifier: Apache-2.0
"""From a trained sub-network to the parameters of inference: BatchNorm folded into the convolution before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tinyformer.ir.batchnorm import factors_and_offsets, folded

Parameters: TypeAlias = dict[str, NDArray[np.float64]]
"""``<layer>.weight`` and ``<layer>.bias`` of every convolution, linear layer and LayerNorm, in double precision."""


def fold_batchnorm(state: Mapping[str, Tensor], pairs: Mapping[str, str], epsilon: float) -> Parameters:
    """Fold every BatchNorm of ``pairs`` (convolution -> its BatchNorm) and keep all other parameters as they are.

    Zero weights stay zero.
    """
    arrays = {name: tensor.detach().cpu().double().numpy() for name, tensor in state.items()}
    result: Parameters = {}
    for layer, norm in pairs.items():
        gamma, beta, mean, variance = (
            arrays[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        affine = factors_and_offsets(gamma, beta, mean, variance, epsilon)
        result[f"{layer}.weight"], result[f"{layer}.bias"] = folded(
            arrays[f"{layer}.weight"], arrays.get(f"{layer}.bias"), *affine
        )
    norms = tuple(f"{norm}." for norm in pairs.values())
    return result | {name: array for name, array in arrays.items() if name not in result and not name.startswith(norms)}
