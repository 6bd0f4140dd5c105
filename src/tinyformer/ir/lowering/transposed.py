# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions as convolutions: each of the stride's phases is one, and all of them have the same input.

With stride s and kernel k, output o reads input i through tap ``o + pad - i s``. Outputs of one phase
``p = (o + pad) mod s`` use the taps ``p, p + s, ...``: a convolution of ceil(k / s) taps with its weights turned round.
The phases are the output channels of one convolution, and their cells are then brought into order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir import graph as ir
from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.function import Case, Function
from tinyformer.ir.lowering.geometry import one_image
from tinyformer.ir.lowering.layers import layer_integers
from tinyformer.ir.lowering.layout import CHANNELS_LAST
from tinyformer.ir.lowering.network import Affine, Node
from tinyformer.ir.lowering.problems import UnsupportedError


def lower_transposed(builder: Builder, node: Node) -> Value:
    """ConvTranspose -> Conv2D of all phases, and a Transpose or Rearrange that puts their cells side by side."""
    affine = builder.network.affine[node.output]
    shape = builder.network.shapes[node.output]
    x = builder.values[node.inputs[0]]
    one_image(x.shape)
    rank = affine.weights.ndim - 2
    if rank not in (1, 2):
        raise UnsupportedError("only transposed convolutions over one or two dimensions are supported")
    weights, image, size = affine.weights, x, shape[2:]
    strides = list(node.attributes.get("strides", [1] * rank))
    dilations = list(node.attributes.get("dilations", [1] * rank))
    begin = _padding_before(node, x.shape[2:], weights.shape[2:], size, strides, dilations)
    if rank == 1:  # a sequence is an image of height 1
        weights, image, size = weights[:, :, None], Value(x.tensor, x.positions[:, :, None]), (1, *size)
        strides, dilations, begin = [1, *strides], [1, *dilations], [0, *begin]
    phases = [_phases(image.shape[2 + i], size[i], begin[i], strides[i]) for i in range(2)]
    split = _by_phase(_dilated(weights, dilations), strides)
    taps = split.shape[-2:]
    groups = node.attributes.get("group", 1)
    outputs, (sy, sx) = len(weights), strides
    # (sy, sx, O, ...) -> (group, sy, sx, O / group, ...): the outputs of a group are neighbours
    per_group = split.reshape(sy, sx, groups, outputs // groups, *split.shape[3:]).transpose(2, 0, 1, 3, 4, 5, 6)
    stacked = per_group.reshape(outputs * sy * sx, *split.shape[3:])
    source = np.arange(outputs).reshape(groups, 1, 1, -1).repeat(sy, 1).repeat(sx, 2).reshape(-1)
    whole = Affine(stacked, affine.scale[source], affine.bias[source])
    quantization = builder.tensor_quantization(x.tensor)
    weights_now, bias, requant = layer_integers(builder, node, whole, quantization)
    stored = builder.stored(image, CHANNELS_LAST)
    tall, wide = phases
    tensor = builder.add_tensor(node.output, (1, tall, wide, len(stacked)), builder.quantization(node.output))
    padding = (taps[0] - 1, tall - image.shape[2], taps[1] - 1, wide - image.shape[3])
    builder.emit(
        ir.Conv2D(
            name=node.name, inputs=(stored,), output=tensor,
            weights=np.ascontiguousarray(weights_now.transpose(0, 2, 3, 1)), bias=bias, stride=(1, 1), padding=padding,
            dilation=(1, 1), groups=groups, pad_value=quantization.zero_point, requantization=requant,
        )
    )  # fmt: skip
    cells = np.arange(tall * wide * len(stacked), dtype=np.int32).reshape(tall, wide, groups, sy, sx, -1)
    ordered = cells.transpose(2, 5, 0, 3, 1, 4).reshape(1, outputs, tall * sy, wide * sx)
    cut = ordered[:, :, begin[0] : begin[0] + size[0], begin[1] : begin[1] + size[1]]
    if cut.size == cells.size:
        return Value(tensor, cut.reshape(shape))
    flat = Value(tensor, ordered)
    y = builder.rearranged(Node(node.operator, f"{node.name}.cells", [], f"{node.output}.cells"), flat, cut)
    return Value(y.tensor, y.positions.reshape(shape))


def _padding_before(
    node: Node, image: tuple[int, ...], kernel: tuple[int, ...], size: tuple[int, ...], strides: list[int],
    dilations: list[int],
) -> list[int]:  # fmt: skip
    """Cells that are cut off at the beginning of each axis."""
    rank = len(kernel)
    automatic = node.attributes.get("auto_pad", "NOTSET")
    given = node.attributes.get("pads")
    if automatic == "NOTSET" and not node.attributes.get("output_shape"):
        pads = [0] * (2 * rank) if given is None else [int(pad) for pad in given]
        if min(pads) < 0:
            raise UnsupportedError("negative padding is not supported: pad the output instead")
        return pads[:rank]
    extra = node.attributes.get("output_padding", [0] * rank)
    parts = zip(image, kernel, size, strides, dilations, extra, strict=True)
    total = [max(0, s * (n - 1) + d * (k - 1) + 1 + e - o) for n, k, o, s, d, e in parts]
    upper = automatic != "SAME_LOWER" if automatic != "NOTSET" else False
    return [cells // 2 if upper else cells - cells // 2 for cells in total]


def _phases(before: int, size: int, begin: int, stride: int) -> int:
    """Cells of a phase: as many as the output needs, and not fewer than the input has."""
    return max(before, -(-(size + begin) // stride))


def _dilated(weights: NDArray[np.int8], dilations: list[int]) -> NDArray[np.int8]:
    """(O, I, KH, KW) with zeros between the taps."""
    size = [d * (k - 1) + 1 for d, k in zip(dilations, weights.shape[2:], strict=True)]
    spread = np.zeros((*weights.shape[:2], *size), np.int8)
    spread[:, :, :: dilations[0], :: dilations[1]] = weights
    return spread


def _by_phase(weights: NDArray[np.int8], strides: list[int]) -> NDArray[np.int8]:
    """(O, I, KH, KW) -> (SY, SX, O, I, ceil(KH / SY), ceil(KW / SX)), the taps turned round."""
    sy, sx = strides
    o, i, kh, kw = weights.shape
    jh, jw = -(-kh // sy), -(-kw // sx)
    full = np.zeros((o, i, jh * sy, jw * sx), np.int8)
    full[:, :, :kh, :kw] = weights
    split = full.reshape(o, i, jh, sy, jw, sx).transpose(3, 5, 0, 1, 2, 4)
    return np.ascontiguousarray(split[..., ::-1, ::-1])


FUNCTIONS = (
    Function(
        "ConvTranspose",
        "Conv2D and Transpose",
        Case(((8, 5, 2, 2), (5,)), {"strides": [2, 2]}),
        lower=lower_transposed,
        attributes=(
            "auto_pad", "dilations", "group", "kernel_shape", "output_padding", "output_shape", "pads", "strides",
        ),
        clamps=True,
        unquantized="its weights are not quantized here: quantize the model with onnxruntime's quantize_static",
        tflite=("TRANSPOSE_CONV",),
    ),
)  # fmt: skip
