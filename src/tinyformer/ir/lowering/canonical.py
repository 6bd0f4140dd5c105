"""Layers with constant weights in one form: ``Conv`` and ``Linear`` nodes whose numbers are an :class:`Affine`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.lowering.network import Affine, Constant, Network, Node
from tinyformer.ir.lowering.problems import Problems, UnsupportedError


def canonicalize(network: Network, problems: Problems) -> None:
    """Give every convolution and product with a constant matrix its :class:`Affine`; MatMul and Gemm become
    ``Linear``."""
    for node in network:
        try:
            match node.operator:
                case "Conv":
                    network.affine[node.output] = _convolution(network, node)
                case "Gemm":
                    network.affine[node.output] = _gemm(network, node)
                case "MatMul" if len(network.activations(node)) == 1:
                    network.affine[node.output] = _matmul(network, node)
                case _:
                    continue
            node.operator = "Conv" if node.operator == "Conv" else "Linear"
            node.inputs = node.inputs[:1]
        except UnsupportedError as problem:
            problems.add(node, str(problem))


def _convolution(network: Network, node: Node) -> Affine:
    constant = _weights(network, node, 1)
    bias = network.real_input(node, 2)
    return _affine(constant, constant.values, bias, 0)


def _gemm(network: Network, node: Node) -> Affine:
    if node.attributes.get("transA", 0):
        raise UnsupportedError("transA is not supported: transpose the input in the model")
    constant = _weights(network, node, 1)
    if constant.values.ndim != 2:
        raise UnsupportedError("its weights are not a matrix")
    transposed = bool(node.attributes.get("transB", 0))
    outputs = constant.values.shape[0 if transposed else 1]
    bias = network.real_input(node, 2)
    if bias is not None:
        bias = np.broadcast_to(bias.reshape(-1), (outputs,)) * node.attributes.get("beta", 1.0)
    weights = constant.values if transposed else constant.values.T
    affine = _affine(constant, weights, bias, 0 if transposed else 1)
    alpha = node.attributes.get("alpha", 1.0)
    return Affine(affine.weights, affine.scale * alpha, affine.bias)


def _matmul(network: Network, node: Node) -> Affine:
    if node.inputs[0] in network.constants:
        raise UnsupportedError("its left operand is constant: write it as x @ W")
    constant = _weights(network, node, 1)
    values = constant.values
    if values.ndim > 2 and set(values.shape[:-2]) == {1}:
        assert constant.scale is not None
        scale = np.broadcast_to(constant.scale, values.shape).reshape(values.shape[-2:])
        constant = Constant(values.reshape(values.shape[-2:]), scale)
    if constant.values.ndim != 2:
        raise UnsupportedError("its constant operand is not a matrix")
    return _affine(constant, constant.values.T, None, 1)


def _weights(network: Network, node: Node, index: int) -> Constant:
    name = node.inputs[index]
    constant = network.constants.get(name)
    if constant is None:
        raise UnsupportedError("its weights are computed at run time")
    if constant.scale is None:
        raise UnsupportedError(f"its weights {name!r} are not quantized: quantize them to INT8, symmetric")
    return constant


def _affine(constant: Constant, weights: NDArray[Any], bias: NDArray[np.float64] | None, axis: int) -> Affine:
    """``weights`` has the outputs first; ``axis`` is where they are in ``constant``."""
    if weights.size and (weights.min() < -128 or weights.max() > 127):
        raise UnsupportedError("its weights are asymmetric or wider than INT8: quantize them to INT8 with zero point 0")
    assert constant.scale is not None
    outputs = weights.shape[0]
    by_output = np.moveaxis(np.broadcast_to(constant.scale, constant.values.shape), axis, 0).reshape(outputs, -1)
    if by_output.size and np.any(by_output != by_output[:, :1]):
        raise UnsupportedError("its weights are quantized per input channel: quantize them per output channel")
    scale = by_output[:, 0].astype(np.float64)
    offsets = np.zeros(outputs) if bias is None else bias.reshape(outputs).astype(np.float64)
    return Affine(np.ascontiguousarray(weights).astype(np.int8), scale, offsets)
