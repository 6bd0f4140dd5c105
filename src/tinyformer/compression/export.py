# SPDX-License-Identifier: Apache-2.0
"""Export of a sub-network to a float ONNX model, node by node, under the names of its layers.

Convolutions run in NCHW; a transformer block turns its feature map into tokens (N, H*W, C) and back. BatchNorm is
folded and the softmax scale multiplied into the queries, so that the operators left are the ones that an integer engine
executes. The batch dimension stays symbolic (``N``).
"""

from __future__ import annotations

from typing import assert_never

import numpy as np
import onnx

from tinyformer.compression.folding import Parameters, fold_batchnorm
from tinyformer.compression.onnx_builder import OnnxBuilder
from tinyformer.nets.blocks import BATCHNORM_EPSILON
from tinyformer.nets.encoder import LAYERNORM_EPSILON
from tinyformer.nets.kinds.base import Feature
from tinyformer.nets.spec import Activation, SubnetSpec, downsampled, weighted_layers
from tinyformer.nets.subnet import Subnet

BATCH = "N"
INPUT = "input"
OUTPUT = "logits"


def to_float_onnx(subnet: Subnet) -> onnx.ModelProto:
    """The inference graph of ``subnet``: ``input`` (N, C, H, W) float -> ``logits`` (N, classes) float, opset 20.

    Outputs equal ``subnet.eval()``'s up to float rounding.
    """
    spec = subnet.spec
    return build_float_onnx(spec, fold_batchnorm(subnet.state_dict(), batchnorms(spec), BATCHNORM_EPSILON))


def build_float_onnx(spec: SubnetSpec, parameters: Parameters) -> onnx.ModelProto:
    """The same from a specification and folded parameters."""
    exporter = _Exporter(spec.activation, parameters)
    spec.build(exporter, Feature(INPUT, spec.channels, spec.image_size))
    return exporter.onnx.model(
        "tinyformer",
        {INPUT: (BATCH, spec.channels, spec.image_size, spec.image_size)},
        {OUTPUT: (BATCH, spec.classes)},
    )


def batchnorms(spec: SubnetSpec) -> dict[str, str]:
    """Which BatchNorm follows which convolution, as parameter prefixes."""
    return {layer.name: f"{layer.name}_bn" for layer in weighted_layers(spec) if layer.kind != "linear"}


class _Exporter:
    """Builds the graph in execution order; tensors are named after the layers that make them."""

    def __init__(self, activation: Activation, parameters: Parameters) -> None:
        self.onnx = OnnxBuilder()
        self._activation = activation
        self._parameters = parameters

    def conv(
        self, name: str, x: Feature, outputs: int, kernel: int, stride: int = 1, *, activation: bool = True
    ) -> Feature:
        return self._activated(self._convolution(name, x, outputs, kernel, stride, groups=1), activation)

    def depthwise(self, name: str, x: Feature, kernel: int, stride: int = 1, *, activation: bool = True) -> Feature:
        return self._activated(self._convolution(name, x, x.channels, kernel, stride, groups=x.channels), activation)

    def add(self, name: str, a: Feature, b: Feature, *, activation: bool = False) -> Feature:
        self.onnx.node("Add", name, [a.name, b.name])
        return self._activated(Feature(name, a.channels, a.size), activation)

    def max_pool(self, name: str, x: Feature, size: int) -> Feature:
        self.onnx.node("MaxPool", name, [x.name], kernel_shape=[size, size], strides=[size, size])
        return Feature(name, x.channels, x.size // size)

    def tokens(self, prefix: str, x: Feature) -> Feature:
        y = self.onnx.reshape(f"{prefix}.flatten", x.name, (0, x.channels, x.size * x.size))
        return Feature(self.onnx.transpose(f"{prefix}.tokens", y, (0, 2, 1)), x.channels, x.size)

    def image(self, prefix: str, x: Feature) -> Feature:
        y = self.onnx.transpose(f"{prefix}.channels", x.name, (0, 2, 1))
        shape = (0, x.channels, x.size, x.size)
        return Feature(self.onnx.reshape(f"{prefix}.unflatten", y, shape), x.channels, x.size)

    def pool_tokens(self, layer: str, x: Feature, pool: int) -> Feature:
        """Average the tokens of pool x pool neighbours, as a feature map."""
        y = self.image(f"{layer}.pool", x).name
        y = self.onnx.node("AveragePool", f"{layer}.pool", [y], kernel_shape=[pool, pool], strides=[pool, pool])
        return self.tokens(f"{layer}.pool", Feature(y, x.channels, x.size // pool))

    def layer_norm(self, name: str, x: Feature) -> Feature:
        inputs = [x.name, self._constant(f"{name}.weight"), self._constant(f"{name}.bias")]
        self.onnx.node("LayerNormalization", name, inputs, axis=-1, epsilon=LAYERNORM_EPSILON)
        return Feature(name, x.channels, x.size)

    def linear(self, name: str, x: Feature, outputs: int, scale: float = 1.0) -> Feature:
        """Rows of x times a constant matrix (I, O), then the bias."""
        weight = self._parameters[f"{name}.weight"].T * scale
        bias = self._parameters[f"{name}.bias"] * scale
        matrix = self.onnx.constant(f"{name}.weight", weight.astype(np.float32))
        product = self.onnx.node("MatMul", f"{name}.matmul", [x.name, matrix])
        self.onnx.node("Add", name, [product, self.onnx.constant(f"{name}.bias", bias.astype(np.float32))])
        return Feature(name, outputs, x.size)

    def gelu(self, name: str, x: Feature) -> Feature:
        return Feature(self.onnx.node("Gelu", name, [x.name]), x.channels, x.size)

    def split_heads(self, name: str, x: Feature, heads: int, *, keys: bool = False) -> Feature:
        """(N, T, heads * C) -> (N, heads, T, C), keys (N, heads, C, T)."""
        y = self.onnx.reshape(f"{name}.split", x.name, (0, x.size * x.size, heads, x.channels // heads))
        y = self.onnx.transpose(f"{name}.heads", y, (0, 2, 3, 1) if keys else (0, 2, 1, 3))
        return Feature(y, x.channels, x.size)

    def attend(self, layer: str, q: Feature, k: Feature, v: Feature, heads: int) -> Feature:
        scores = self.onnx.node("MatMul", f"{layer}.scores", [q.name, k.name])
        weights = self.onnx.node("Softmax", f"{layer}.softmax", [scores], axis=-1)
        y = self.onnx.node("MatMul", f"{layer}.context", [weights, v.name])
        y = self.onnx.transpose(f"{layer}.merge", y, (0, 2, 1, 3))
        y = self.onnx.reshape(f"{layer}.merged", y, (0, q.size * q.size, q.channels))
        return Feature(y, q.channels, q.size)

    def classify(self, x: Feature, classes: int) -> None:
        pooled = self.onnx.node("GlobalAveragePool", "pool", [x.name])
        flat = self.onnx.reshape("flatten", pooled, (0, x.channels))
        weight, bias = (self._constant(f"classifier.{part}") for part in ("weight", "bias"))
        self.onnx.node("Gemm", OUTPUT, [flat, weight, bias], transB=1)

    def _convolution(self, name: str, x: Feature, outputs: int, kernel: int, stride: int, groups: int) -> Feature:
        self.onnx.node(
            "Conv",
            name,
            [x.name, self._constant(f"{name}.weight"), self._constant(f"{name}.bias")],
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
            group=groups,
        )
        return Feature(name, outputs, downsampled(x.size, stride))

    def _activated(self, y: Feature, activation: bool) -> Feature:
        return Feature(self._activation_of(y.name), y.channels, y.size) if activation else y

    def _activation_of(self, x: str) -> str:
        build = self.onnx
        match self._activation:
            case "relu":
                return build.node("Relu", f"{x}.relu", [x])
            case "relu6":
                bounds = [
                    build.constant(f"{x}.relu6.{k}", np.array(v, np.float32)) for k, v in (("min", 0), ("max", 6))
                ]
                return build.node("Clip", f"{x}.relu6", [x, *bounds])
            case "hardswish":
                return build.node("HardSwish", f"{x}.hardswish", [x])
            case "silu":
                return build.node("Mul", f"{x}.silu", [x, build.node("Sigmoid", f"{x}.sigmoid", [x])])
        assert_never(self._activation)

    def _constant(self, name: str) -> str:
        return self.onnx.constant(name, self._parameters[name].astype(np.float32))
