# SPDX-License-Identifier: Apache-2.0
"""Arrays of the host on the device that holds the images."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray


def to_device(values: NDArray[Any], device: torch.device) -> torch.Tensor:
    """``values`` as a tensor on ``device``, without waiting for what a GPU has still to do: the driver copies small
    arrays aside before it returns."""
    return torch.from_numpy(values).to(device, non_blocking=True)
