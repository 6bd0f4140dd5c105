# SPDX-License-Identifier: Apache-2.0
"""Fills in the quantization of tensors that only change shape or order between a Q and the operators around it."""

from __future__ import annotations

from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.table import KEEPS_SCALE


def annotate(network: Network) -> None:
    """Propagate annotations through shape operators: forwards, then backwards into tensors read only there."""
    for node in network:
        known = {network.quantization.get(name) for name in network.activations(node)}
        if node.operator in KEEPS_SCALE and node.output not in network.quantization and len(known) == 1:
            quantization = known.pop()
            if quantization is not None:
                network.quantization[node.output] = quantization
    consumers = network.consumers()
    for node in reversed(network.nodes):
        if node.operator in KEEPS_SCALE and node.output in network.quantization:
            _annotate_inputs(network, node, consumers)


def _annotate_inputs(network: Network, node: Node, consumers: dict[str, list[Node]]) -> None:
    for name in network.activations(node):
        if name not in network.quantization and all(reader is node for reader in consumers[name]):
            network.quantization[name] = network.quantization[node.output]
