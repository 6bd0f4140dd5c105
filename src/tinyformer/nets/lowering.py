"""From a sub-network's description straight to its integer graph: nothing is trained, exported or imported.

The graph has the operators, order, shapes and layouts of the imported ``model.onnx`` of the same description; weights,
scales and tables are zero. Cost estimation needs no more than that, and needs it in less than two milliseconds.
"""

from __future__ import annotations

import numpy as np

from tinyformer.ir.graph import (
    Add,
    AveragePool2D,
    BatchMatMul,
    Conv2D,
    DepthwiseConv2D,
    Graph,
    LayerNorm,
    Linear,
    Lut,
    Op,
    Requantization,
    Reshape,
    Softmax,
    Tensor,
)
from tinyformer.nets.spec import (
    Activation,
    ConvBlock,
    InvertedResidual,
    Skip,
    SubnetSpec,
    TransformerBlock,
    mlp_width,
)

_TABLE = np.zeros(256, np.int8)
_EXPONENTIALS = np.zeros(256, np.uint32)
_FUSED: frozenset[Activation] = frozenset({"relu", "relu6"})
"""Activations that are the clamp of the preceding requantization; the others become tables."""


def lower(spec: SubnetSpec) -> Graph:
    """The integer graph of ``spec`` with zero weights; operators with weights bear their layer's name."""
    builder = _Builder(spec.activation)
    x = builder.input((1, spec.image_size, spec.image_size, spec.channels))
    x = builder.conv("stem.conv", x, spec.stem_width, spec.stem_kernel, spec.stem_stride)
    for i, stage in enumerate(spec.stages):
        for j, block in enumerate(stage.blocks):
            prefix, stride = f"stages.{i}.blocks.{j}", stage.stride if j == 0 else 1
            match block:
                case ConvBlock():
                    x = _conv_block(builder, prefix, x, block, width=stage.width, stride=stride)
                case InvertedResidual():
                    x = _inverted_residual(builder, prefix, x, block, width=stage.width, stride=stride)
                case TransformerBlock():
                    x = _transformer(builder, prefix, x, block)
                case Skip():
                    continue
    if spec.head_width:
        x = builder.conv("head.conv", x, spec.head_width, 1, 1)
    x = builder.average_pool("pool", x, x.shape[1])
    x = builder.reshape("flatten", x, (1, x.shape[3]))
    x = builder.linear("classifier", x, spec.classes)
    builder.graph.outputs = (x.name,)
    return builder.graph


def _conv_block(builder: _Builder, prefix: str, x: Tensor, block: ConvBlock, *, width: int, stride: int) -> Tensor:
    y = builder.conv(f"{prefix}.conv", x, width, block.kernel, stride)
    return builder.add(f"{prefix}.add", x, y) if x.shape == y.shape else y


def _inverted_residual(
    builder: _Builder, prefix: str, x: Tensor, block: InvertedResidual, *, width: int, stride: int
) -> Tensor:
    y = x
    if block.expansion > 1:
        y = builder.conv(f"{prefix}.expand", x, x.shape[3] * block.expansion, 1, 1)
    y = builder.depthwise(f"{prefix}.depthwise", y, block.kernel, stride)
    y = builder.conv(f"{prefix}.project", y, width, 1, 1, activation=False)
    return builder.add(f"{prefix}.add", x, y) if x.shape == y.shape else y


def _transformer(builder: _Builder, prefix: str, x: Tensor, block: TransformerBlock) -> Tensor:
    """Encoder layers over the tokens of a feature map (1, H, W, C)."""
    image = x.shape
    size, width = image[1], image[3]
    x = builder.reshape(f"{prefix}.tokens", x, (1, size * size, width))
    for k in range(block.depth):
        layer = f"{prefix}.layers.{k}"
        x = builder.add(f"{layer}.add1", x, _attention(builder, layer, x, block, image))
        y = builder.layer_norm(f"{layer}.norm2", x)
        y = builder.linear(f"{layer}.fc1", y, mlp_width(width, block.mlp_ratio))
        y = builder.lut(f"{layer}.gelu", y)
        y = builder.linear(f"{layer}.fc2", y, width)
        x = builder.add(f"{layer}.add2", x, y)
    return builder.reshape(f"{prefix}.image", x, image)


def _attention(builder: _Builder, layer: str, x: Tensor, block: TransformerBlock, image: tuple[int, ...]) -> Tensor:
    """proj(softmax(q k^T) v) of LN(x); heads are strides, so splitting and merging them is no operator."""
    heads, head, inner = block.heads, block.head_dim, block.heads * block.head_dim
    tokens, width = x.shape[1:]
    normed = builder.layer_norm(f"{layer}.norm1", x)
    source = normed
    if block.pool > 1:
        pooled = builder.reshape(f"{layer}.image", normed, image)
        pooled = builder.average_pool(f"{layer}.pool", pooled, block.pool)
        source = builder.reshape(f"{layer}.pooled", pooled, (1, pooled.shape[1] * pooled.shape[2], width))
    q = builder.linear(f"{layer}.q", normed, inner)
    k = builder.linear(f"{layer}.k", source, inner)
    v = builder.linear(f"{layer}.v", source, inner)
    keys = source.shape[1]
    by_head = (tokens * keys, keys, 1)
    scores = builder.matmul(
        f"{layer}.scores", q, k, shape=(1, heads, tokens, keys), sizes=(heads, tokens, head, keys),
        a_strides=(head, inner, 1), b_strides=(head, 1, inner), y_strides=by_head,
    )  # fmt: skip
    weights = builder.softmax(f"{layer}.softmax", scores)
    context = builder.matmul(
        f"{layer}.context", weights, v, shape=(1, tokens, inner), sizes=(heads, tokens, keys, head),
        a_strides=by_head, b_strides=(head, inner, 1), y_strides=(head, inner, 1),
    )  # fmt: skip
    return builder.linear(f"{layer}.proj", context, width)


class _Builder:
    """Appends operators whose constants are zero."""

    def __init__(self, activation: Activation) -> None:
        self.graph = Graph("model", "input", ())
        self._activation = activation

    def input(self, shape: tuple[int, ...]) -> Tensor:
        return self._tensor(self.graph.input, shape)

    def conv(self, name: str, x: Tensor, width: int, kernel: int, stride: int, *, activation: bool = True) -> Tensor:
        weights = np.zeros((width, kernel, kernel, x.shape[3]), np.int8)
        output, padding = _same_padding(x.shape[1], kernel, stride)
        y = self._tensor(name, (1, output, output, width))
        self._append(Conv2D(
            name, (x.name,), name, weights, _bias(width), (stride, stride), padding, (1, 1), 1, 0,
            _requantization(width),
        ))  # fmt: skip
        return self._activated(name, y) if activation else y

    def depthwise(self, name: str, x: Tensor, kernel: int, stride: int) -> Tensor:
        width = x.shape[3]
        output, padding = _same_padding(x.shape[1], kernel, stride)
        y = self._tensor(name, (1, output, output, width))
        self._append(DepthwiseConv2D(
            name, (x.name,), name, np.zeros((kernel, kernel, width), np.int8), _bias(width), (stride, stride), padding,
            (1, 1), 0, _requantization(width),
        ))  # fmt: skip
        return self._activated(name, y)

    def linear(self, name: str, x: Tensor, width: int) -> Tensor:
        weights = np.zeros((width, x.shape[-1]), np.int8)
        self._append(Linear(name, (x.name,), name, weights, _bias(width), _requantization(width)))
        return self._tensor(name, (*x.shape[:-1], width))

    def matmul(
        self, name: str, a: Tensor, b: Tensor, *, shape: tuple[int, ...], sizes: tuple[int, int, int, int],
        a_strides: tuple[int, int, int], b_strides: tuple[int, int, int], y_strides: tuple[int, int, int],
    ) -> Tensor:  # fmt: skip
        batch, m, k, n = sizes
        if batch == 1:  # a stride that is never taken
            a_strides, b_strides, y_strides = ((0, row, column) for _, row, column in (a_strides, b_strides, y_strides))
        self._append(BatchMatMul(
            name, (a.name, b.name), name, batch, m, k, n, a_strides, b_strides, y_strides, 0, 0, _requantization(1),
        ))  # fmt: skip
        return self._tensor(name, shape)

    def add(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        self._append(Add(name, (a.name, b.name), name, 0, 0, 0, 0, -128, 127))
        return self._tensor(name, a.shape)

    def lut(self, name: str, x: Tensor) -> Tensor:
        self._append(Lut(name, (x.name,), name, _TABLE))
        return self._tensor(name, x.shape)

    def softmax(self, name: str, x: Tensor) -> Tensor:
        self._append(Softmax(name, (x.name,), name, _EXPONENTIALS, 8, 0, 0))
        return self._tensor(name, x.shape)

    def layer_norm(self, name: str, x: Tensor) -> Tensor:
        width = x.shape[-1]
        self._append(LayerNorm(name, (x.name,), name, np.zeros(width, np.int16), _bias(width), 1, 0, 0))
        return self._tensor(name, x.shape)

    def average_pool(self, name: str, x: Tensor, size: int) -> Tensor:
        output = x.shape[1] // size
        kernel = (size, size)
        self._append(AveragePool2D(name, (x.name,), name, kernel, kernel, (0, 0, 0, 0), 0, _requantization(1)))
        return self._tensor(name, (1, output, output, x.shape[3]))

    def reshape(self, name: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """``x`` under another shape; a reshape that has just been made, and is undone here, disappears."""
        last = self.graph.ops[-1]
        if isinstance(last, Reshape) and self.graph.tensors[last.inputs[0]].shape == shape:
            del self.graph.tensors[self.graph.ops.pop().output]
            return self.graph.tensors[last.inputs[0]]
        self._append(Reshape(name, (x.name,), name))
        return self._tensor(name, shape)

    def _activated(self, name: str, y: Tensor) -> Tensor:
        return y if self._activation in _FUSED else self.lut(f"{name}.activation", y)

    def _append(self, op: Op) -> None:
        self.graph.ops.append(op)

    def _tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        tensor = self.graph.tensors[name] = Tensor(name, shape, 1.0, 0)
        return tensor


def _bias(width: int) -> np.ndarray:
    return np.zeros(width, np.int32)


def _requantization(width: int) -> Requantization:
    return Requantization(np.zeros(width, np.int32), 0, 0)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, tuple[int, int, int, int]]:
    """Output size and (top, bottom, left, right) of a convolution padded by ``kernel // 2`` on all sides."""
    pad = kernel // 2
    return (size + 2 * pad - kernel) // stride + 1, (pad, pad, pad, pad)
