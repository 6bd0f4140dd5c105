"""From a trained sub-network to the parameters of inference: BatchNorm folded into the convolution before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Parameters: TypeAlias = dict[str, NDArray[np.float64]]
"""``<layer>.weight`` and ``<layer>.bias`` of every convolution, linear layer and LayerNorm, in double precision."""


def fold_batchnorm(state: Mapping[str, Tensor], pairs: Mapping[str, str], epsilon: float) -> Parameters:
    """Fold every BatchNorm of ``pairs`` (convolution -> its BatchNorm) and keep all other parameters as they are.

    ``y = gamma (w x - mean) / sqrt(var + epsilon) + beta`` is the convolution ``w' = w gamma / sqrt(var + epsilon)``
    with bias ``beta - mean gamma / sqrt(var + epsilon)``. Zero weights stay zero.
    """
    arrays = {name: tensor.detach().cpu().double().numpy() for name, tensor in state.items()}
    folded: Parameters = {}
    for layer, norm in pairs.items():
        scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + epsilon)
        weight = arrays[f"{layer}.weight"]
        folded[f"{layer}.weight"] = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        folded[f"{layer}.bias"] = arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * scale
    norms = tuple(f"{norm}." for norm in pairs.values())
    return folded | {name: array for name, array in arrays.items() if name not in folded and not name.startswith(norms)}
