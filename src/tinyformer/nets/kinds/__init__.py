# SPDX-License-Identifier: Apache-2.0
"""The kinds of blocks, one a module; free of torch. A new one is listed in :data:`KINDS`, gets its torch module in
:mod:`tinyformer.nets.blocks` and its settings in :mod:`tinyformer.config.search_space`."""

from tinyformer.nets.kinds.base import Choices
from tinyformer.nets.kinds.bottleneck import BottleneckChoices
from tinyformer.nets.kinds.conv import ConvChoices
from tinyformer.nets.kinds.inverted_residual import InvertedResidualChoices
from tinyformer.nets.kinds.mobilevit import MobileViTChoices
from tinyformer.nets.kinds.residual import ResidualChoices
from tinyformer.nets.kinds.separable import SeparableChoices
from tinyformer.nets.kinds.skip import SkipChoice
from tinyformer.nets.kinds.transformer import TransformerChoices

KINDS: dict[str, type[Choices]] = {
    "conv": ConvChoices,
    "mbconv": InvertedResidualChoices,
    "residual": ResidualChoices,
    "bottleneck": BottleneckChoices,
    "separable": SeparableChoices,
    "transformer": TransformerChoices,
    "mobilevit": MobileViTChoices,
    "skip": SkipChoice,
}
"""Every kind by its name."""
