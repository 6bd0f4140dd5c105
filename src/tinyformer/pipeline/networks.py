# SPDX-License-Identifier: Apache-2.0
"""Reading the descriptions of networks that stages hand on."""

from __future__ import annotations

from pathlib import Path

from tinyformer.errors import TinyFormerError
from tinyformer.nets.supernet_spec import SupernetSpec
from tinyformer.pipeline.documents import damaged, read_yaml
from tinyformer.sparsenas.genome import Genome


def read_supernet_spec(path: Path) -> SupernetSpec:
    """Read ``supernet.yaml``. Raises :class:`TinyFormerError` where it is missing or damaged."""
    data = read_yaml(path, ended=True)
    try:
        return SupernetSpec.from_dict(data)
    except TinyFormerError:
        raise damaged(path) from None


def read_genome(path: Path) -> Genome:
    """Read ``subnet.yaml``: architecture and sparsity plan. Raises as :func:`read_supernet_spec`."""
    data = read_yaml(path, ended=True)
    try:
        return Genome.from_dict(data)
    except (KeyError, TypeError, ValueError):
        raise damaged(path) from None
