# SPDX-License-Identifier: Apache-2.0
"""A network that is given instead of searched: a supernet with one sub-network, which all stages take as any other."""

from __future__ import annotations

from tinyformer.config.network import NetworkConfig
from tinyformer.errors import TinyFormerError
from tinyformer.nets.kinds import KINDS
from tinyformer.nets.spec import SubnetSpec
from tinyformer.nets.supernet_spec import SupernetSpec


def given_supernet(config: NetworkConfig, image_size: int, channels: int, classes: int) -> SupernetSpec:
    """The supernet of the network ``config.spec`` for square images of ``image_size`` pixels.

    Raises :class:`TinyFormerError` for unknown kinds of blocks, wrong attributes, or broken rules.
    """
    assert config.spec is not None
    data = config.spec.model_dump()
    for i, stage in enumerate(data["stages"]):
        for j, block in enumerate(stage["blocks"]):
            if block.get("kind") not in KINDS:
                raise TinyFormerError(
                    f"network.spec.stages[{i}].blocks[{j}] is of kind {block.get('kind')!r}: "
                    f"choose one of {', '.join(KINDS)}, or register it with network.hook."
                )
    shape = {"image_size": image_size, "channels": channels, "classes": classes}
    try:
        return SupernetSpec.of(SubnetSpec.from_dict({**shape, **data}))
    except TypeError as error:  # an attribute that the kind does not have, lacks, or has of another type
        raise TinyFormerError(f"network.spec describes no network: {error}.") from error
