# SPDX-License-Identifier: Apache-2.0
"""The weight blocks of :mod:`tinyformer.ir.blocks` for torch tensors on any device."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from tinyformer.ir.blocks import pair_order


def block_sums(values: Tensor, block: tuple[int, int]) -> Tensor:
    """Sum over each block of ``values``, (O, I) or (O, I, KH, KW): (block rows, taps, block columns)."""
    rows, cols = block
    outputs, inputs = values.shape[:2]
    place = _places(inputs, values.device)
    width = -(-(-(-inputs // 4) * 4) // cols) * cols
    padded = values.new_zeros(-(-outputs // rows) * rows, math.prod(values.shape[2:]), width)
    padded[:outputs, :, place] = values.reshape(outputs, inputs, -1).transpose(1, 2)
    return padded.reshape(-1, rows, padded.shape[1], width // cols, cols).sum(dim=(1, 4))


def over_blocks(flags: Tensor, shape: tuple[int, ...], block: tuple[int, int]) -> Tensor:
    """A tensor of ``shape``, (O, I) or (O, I, KH, KW), in which each weight has its block's entry of ``flags``.

    ``flags`` is laid out as :func:`block_sums` lays out its result, of any shape.
    """
    rows, cols = block
    outputs, inputs, *kernel = shape
    taps = math.prod(kernel)
    by_block = flags.reshape(-(-outputs // rows), taps, -1)
    place = _places(inputs, flags.device)
    row = torch.arange(outputs, device=flags.device) // rows
    return by_block[row][:, :, place // cols].transpose(1, 2).reshape(shape).contiguous()


def _places(inputs: int, device: torch.device) -> Tensor:
    """Position of each input in pair order."""
    return _host_places(inputs).to(device)


@lru_cache(maxsize=256)
def _host_places(inputs: int) -> Tensor:
    order = pair_order(inputs)
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return torch.from_numpy(places[:inputs].copy())
