"""Export of a sub-network to a float ONNX model, node by node, under the names of its layers.

Convolutions run in NCHW; a transformer block turns its feature map into tokens (N, H*W, C) and back. BatchNorm is
folded and the softmax scale multiplied into the queries, so that the operators left are the ones that an integer engine
executes. The batch dimension stays symbolic (``N``).
"""

from __future__ import annotations

import numpy as np
import onnx

from tinyformer.compression.folding import Parameters, fold_batchnorm
from tinyformer.compression.onnx_builder import OnnxBuilder
from tinyformer.nets.blocks import BATCHNORM_EPSILON, LAYERNORM_EPSILON
from tinyformer.nets.spec import (
    ConvBlock,
    InvertedResidual,
    Skip,
    StageSpec,
    SubnetSpec,
    TransformerBlock,
    weighted_layers,
)
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
    walker = _Walker(spec, parameters)
    logits = walker.walk()
    return walker.builder.model(
        "tinyformer",
        {INPUT: (BATCH, spec.channels, spec.image_size, spec.image_size)},
        {logits: (BATCH, spec.classes)},
    )


def batchnorms(spec: SubnetSpec) -> dict[str, str]:
    """Which BatchNorm follows which convolution, as parameter prefixes."""
    return {layer.name: f"{layer.name}_bn" for layer in weighted_layers(spec) if layer.kind != "linear"}


class _Walker:
    """Builds the graph in execution order; tensors are named after the layers that make them."""

    def __init__(self, spec: SubnetSpec, parameters: Parameters) -> None:
        self.builder = OnnxBuilder()
        self._spec = spec
        self._parameters = parameters
        self._size = spec.image_size

    def walk(self) -> str:
        spec = self._spec
        x = self._activate(self._conv("stem.conv", INPUT, stride=spec.stem_stride))
        width = spec.stem_width
        for i, stage in enumerate(spec.stages):
            for j, block in enumerate(stage.blocks):
                stride = stage.stride if j == 0 else 1
                prefix = f"stages.{i}.blocks.{j}"
                residual = stride == 1 and width == stage.width
                match block:
                    case ConvBlock():
                        x = self._conv_block(prefix, x, stride, residual)
                    case InvertedResidual():
                        x = self._inverted_residual(prefix, x, block, stride, residual)
                    case TransformerBlock():
                        x = self._transformer(prefix, x, block, stage)
                    case Skip():
                        continue
                width = stage.width
        if spec.head_width:
            x = self._activate(self._conv("head.conv", x))
            width = spec.head_width
        x = self.builder.node("GlobalAveragePool", "pool", [x])
        x = self.builder.reshape("flatten", x, (0, width))
        weight, bias = (self._constant(f"classifier.{part}") for part in ("weight", "bias"))
        self.builder.node("Gemm", OUTPUT, [x, weight, bias], transB=1)
        return OUTPUT

    def _conv_block(self, prefix: str, x: str, stride: int, residual: bool) -> str:
        y = self._activate(self._conv(f"{prefix}.conv", x, stride=stride))
        return self.builder.node("Add", f"{prefix}.add", [x, y]) if residual else y

    def _inverted_residual(self, prefix: str, x: str, block: InvertedResidual, stride: int, residual: bool) -> str:
        y = x
        if block.expansion > 1:
            y = self._activate(self._conv(f"{prefix}.expand", y))
        y = self._activate(self._conv(f"{prefix}.depthwise", y, stride=stride, depthwise=True))
        y = self._conv(f"{prefix}.project", y)
        return self.builder.node("Add", f"{prefix}.add", [x, y]) if residual else y

    def _transformer(self, prefix: str, x: str, block: TransformerBlock, stage: StageSpec) -> str:
        size, width, build = self._size, stage.width, self.builder
        x = build.reshape(f"{prefix}.flatten", x, (0, width, size * size))
        x = build.transpose(f"{prefix}.tokens", x, (0, 2, 1))
        for k in range(block.depth):
            layer = f"{prefix}.layers.{k}"
            attention = self._attention(layer, self._layernorm(f"{layer}.norm1", x), block, width)
            x = build.node("Add", f"{layer}.add1", [x, attention])
            y = self._linear(f"{layer}.fc1", self._layernorm(f"{layer}.norm2", x))
            y = self._linear(f"{layer}.fc2", build.node("Gelu", f"{layer}.gelu", [y]))
            x = build.node("Add", f"{layer}.add2", [x, y])
        x = build.transpose(f"{prefix}.channels", x, (0, 2, 1))
        return build.reshape(f"{prefix}.unflatten", x, (0, width, size, size))

    def _attention(self, layer: str, x: str, block: TransformerBlock, width: int) -> str:
        build, tokens, pooled = self.builder, self._size**2, (self._size // block.pool) ** 2
        source = self._pool_tokens(layer, x, block.pool, width) if block.pool > 1 else x

        def heads(name: str, rows: int, permutation: tuple[int, ...], source: str, scale: float = 1.0) -> str:
            y = self._linear(f"{layer}.{name}", source, scale)
            y = build.reshape(f"{layer}.{name}.split", y, (0, rows, block.heads, block.head_dim))
            return build.transpose(f"{layer}.{name}.heads", y, permutation)

        q = heads("q", tokens, (0, 2, 1, 3), x, block.head_dim**-0.5)
        k = heads("k", pooled, (0, 2, 3, 1), source)
        v = heads("v", pooled, (0, 2, 1, 3), source)
        scores = build.node("MatMul", f"{layer}.scores", [q, k])
        weights = build.node("Softmax", f"{layer}.softmax", [scores], axis=-1)
        y = build.node("MatMul", f"{layer}.context", [weights, v])
        y = build.transpose(f"{layer}.merge", y, (0, 2, 1, 3))
        y = build.reshape(f"{layer}.merged", y, (0, tokens, block.heads * block.head_dim))
        return self._linear(f"{layer}.proj", y)

    def _pool_tokens(self, layer: str, x: str, pool: int, width: int) -> str:
        """Average the tokens of pool x pool neighbours, as a feature map."""
        build, size = self.builder, self._size
        x = build.transpose(f"{layer}.pool.channels", x, (0, 2, 1))
        x = build.reshape(f"{layer}.pool.unflatten", x, (0, width, size, size))
        x = build.node("AveragePool", f"{layer}.pool", [x], kernel_shape=[pool, pool], strides=[pool, pool])
        x = build.reshape(f"{layer}.pool.flatten", x, (0, width, (size // pool) ** 2))
        return build.transpose(f"{layer}.pool.tokens", x, (0, 2, 1))

    def _conv(self, name: str, x: str, stride: int = 1, depthwise: bool = False) -> str:
        weight = self._parameters[f"{name}.weight"]
        kernel = weight.shape[-1]
        self._size = -(-self._size // stride)
        return self.builder.node(
            "Conv",
            name,
            [x, self._constant(f"{name}.weight"), self._constant(f"{name}.bias")],
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
            group=weight.shape[0] if depthwise else 1,
        )

    def _activate(self, x: str) -> str:
        build, activation = self.builder, self._spec.activation
        match activation:
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

    def _layernorm(self, name: str, x: str) -> str:
        inputs = [x, self._constant(f"{name}.weight"), self._constant(f"{name}.bias")]
        return self.builder.node("LayerNormalization", name, inputs, axis=-1, epsilon=LAYERNORM_EPSILON)

    def _linear(self, name: str, x: str, scale: float = 1.0) -> str:
        """Rows of x times a constant matrix (I, O), then the bias."""
        weight = self._parameters[f"{name}.weight"].T * scale
        bias = self._parameters[f"{name}.bias"] * scale
        product = self.builder.node(
            "MatMul", f"{name}.matmul", [x, self.builder.constant(f"{name}.weight", weight.astype(np.float32))]
        )
        return self.builder.node("Add", name, [product, self.builder.constant(f"{name}.bias", bias.astype(np.float32))])

    def _constant(self, name: str) -> str:
        return self.builder.constant(name, self._parameters[name].astype(np.float32))
