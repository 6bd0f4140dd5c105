# SPDX-License-Identifier: Apache-2.0
"""Section ``network``: whether the architecture is searched, or given."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tinyformer.config.base import Section
from tinyformer.config.search_space import Count, Downsample, Kernel, Width


class StageOfNetwork(Section):
    """Blocks at one width and resolution."""

    width: Width
    stride: Count = 1
    downsample: Downsample = "stride"
    blocks: tuple[dict[str, Any], ...] = Field(min_length=1)
    """For each block its ``kind`` and that kind's attributes, as in ``outputs/subnet.yaml``."""


class GivenNetwork(Section):
    """A network; image size, channels and classes are the data set's."""

    activation: Literal["relu", "relu6", "hardswish", "silu"]
    stem_width: Width
    stem_kernel: Kernel = 3
    stem_stride: Count = 1
    stages: tuple[StageOfNetwork, ...] = Field(min_length=1)
    head_width: int = Field(default=0, ge=0)
    """Channels of the 1x1 head convolution; 0: none."""


class NetworkConfig(Section):
    """What is trained: a supernet that SuperNAS finds in ``search_space``, or one given network."""

    name: str
    spec: GivenNetwork | None = None
    """The network; null: it is searched."""

    hook: str | None = None
    """Python module that every stage imports first, to register kinds of blocks of one's own
    (``tinyformer.nets.blocks.register_kind``)."""
