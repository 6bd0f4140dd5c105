# SPDX-License-Identifier: Apache-2.0
"""What SparseNAS evolves: an architecture together with the block sparsity of its layers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tinyformer.nets.plan_counts import planned_sparsity
from tinyformer.nets.spec import LayerSparsity, SparsityPlan, SubnetSpec, weighted_layers


@dataclass(frozen=True)
class Genome:
    """A sub-network and its sparsity plan; equal genomes have equal :meth:`digest`.

    The plan names the sparse layers alone, in execution order.
    """

    subnet: SubnetSpec
    plan: SparsityPlan

    @staticmethod
    def of(subnet: SubnetSpec, plan: SparsityPlan) -> Genome:
        """The genome in its normal form: layers that do not exist or are dense are left out of the plan."""
        names = [layer.name for layer in weighted_layers(subnet)]
        return Genome(subnet, {name: plan[name] for name in names if name in plan and plan[name].ratio > 0})

    @property
    def block_sparsity(self) -> float:
        """Planned fraction of the prunable weights in zero blocks, 0 .. 1."""
        return planned_sparsity(self.subnet, self.plan)

    def digest(self) -> str:
        """SHA-256 of the canonical JSON text, in hexadecimal."""
        return content_hash(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and dicts: ``architecture`` (see :class:`SubnetSpec`) and ``sparsity`` by layer."""
        sparsity = {name: {"block": list(layer.block), "ratio": layer.ratio} for name, layer in self.plan.items()}
        return {"architecture": self.subnet.to_dict(), "sparsity": sparsity}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Genome:
        """Inverse of :meth:`to_dict`. Raises ``KeyError``/``TypeError`` on foreign data."""
        plan = {
            name: LayerSparsity((int(layer["block"][0]), int(layer["block"][1])), float(layer["ratio"]))
            for name, layer in data["sparsity"].items()
        }
        return Genome.of(SubnetSpec.from_dict(data["architecture"]), plan)


def content_hash(data: Any) -> str:
    """SHA-256 (hexadecimal) of plain data as JSON with sorted keys: the same on every machine and in every process."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
