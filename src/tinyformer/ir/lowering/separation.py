# SPDX-License-Identifier: Apache-2.0
"""Quantizations that readers of one tensor do not share: each becomes a tensor of its own.

Importers write ``Identity`` nodes from a real tensor to each of its quantized forms. Where there is but one form, the
tensor itself takes it. Where there are several, or a reader needs the real values, whatever makes the tensor is
repeated: the range of one form says nothing about the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.table import CLAMPS
from tinyformer.ir.quantization import Quantization

QUANTIZE = "Identity"


def separate_quantizations(network: Network) -> None:
    """Give tensors the quantization that their readers want, repeating the nodes whose readers want different ones."""
    for node in reversed(list(network.nodes)):
        _separate(network, node)
    _quantize_input(network)


def _separate(network: Network, node: Node) -> None:
    x = node.output
    if x in network.quantization:
        return
    forms, real = _readers(network, x)
    if not forms and not (len(real) > 1 and _absorbed(network, node, real)):
        return
    if x not in network.outputs and _absorbed(network, node, real):
        for reader in real[0 if forms else 1 :]:
            name = _repeat(network, node, f"for.{reader.output}")
            reader.inputs = [name if source == x else source for source in reader.inputs]
        real = []
    # Who reads real values that no operator can take in reads the widest form.
    widest = max(forms, key=lambda form: network.quantization[form.output].scale, default=None)
    for form in forms:
        if form is not widest:
            _adopt(network, form, _repeat(network, node, f"for.{form.output}"))
    if widest is not None:
        _adopt(network, widest, x)


def _quantize_input(network: Network) -> None:
    """The input enters in its widest form; others are made of that."""
    if network.input in network.quantization:
        return
    forms, _ = _readers(network, network.input)
    if forms:
        _adopt(network, max(forms, key=lambda form: network.quantization[form.output].scale), network.input)


def _readers(network: Network, tensor: str) -> tuple[list[Node], list[Node]]:
    """The quantizers of a real ``tensor``, and who else reads it."""
    readers = [node for node in network if tensor in node.inputs]
    forms = [node for node in readers if node.operator == QUANTIZE and node.output in network.quantization]
    return forms, [node for node in readers if node not in forms]


def _absorbed(network: Network, node: Node, readers: Sequence[Node]) -> bool:
    """Whether ``node`` can take in each of ``readers``: rectifiers, and sums and products with constants."""
    if node.operator not in CLAMPS | {"Gemm"}:
        return False
    for reader in readers:
        rectifies = reader.operator in {"Relu", "Clip"}
        shifts = reader.operator in {"Add", "Sub", "Mul", "Div", "BatchNormalization"}
        if len(network.activations(reader)) != 1 or not (rectifies or shifts):
            return False
    return True


def _repeat(network: Network, node: Node, suffix: str) -> str:
    """A copy of ``node`` right behind it; the name of what it makes."""
    output = f"{node.output}.{suffix}"
    network.shapes[output] = network.shapes[node.output]
    copy = replace(node, name=f"{node.name}.{suffix}", output=output, inputs=list(node.inputs))
    network.nodes.insert(network.nodes.index(node) + 1, copy)
    return output


def _adopt(network: Network, form: Node, tensor: str) -> None:
    """Let ``tensor`` itself be what the quantizer ``form`` makes of it."""
    quantization: Quantization = network.quantization.pop(form.output)
    network.quantization[tensor] = quantization
    network.nodes.remove(form)
    for node in network:
        node.inputs = [tensor if name == form.output else name for name in node.inputs]
    network.outputs = [tensor if name == form.output else name for name in network.outputs]
