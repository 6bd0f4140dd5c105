# SPDX-License-Identifier: Apache-2.0
"""Strides, paddings and dilations of windows, and widths of padding, as ONNX writes them."""

from __future__ import annotations

from tinyformer.ir.lowering.network import Network, Node
from tinyformer.ir.lowering.problems import UnsupportedError
from tinyformer.ir.windows import output_size

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]
"""Top, bottom, left, right."""


def one_image(shape: tuple[int, ...]) -> None:
    """Refuse images of ``shape`` (N, C, ...) unless there is one."""
    if shape[0] != 1:
        raise UnsupportedError(f"it computes {shape[0]} images at once: export the model with batch size 1")


def window_parameters(node: Node, image: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Pair, Padding, Pair]:
    """(stride, padding, dilation) over two dimensions; a single one is taken as the width of an image of height 1.

    ``image`` is the input's shape (1, C, H, W) or (1, C, W).
    """
    one_image(image)
    rank = len(kernel)
    strides = list(node.attributes.get("strides", [1] * rank))
    dilations = list(node.attributes.get("dilations", [1] * rank))
    automatic = node.attributes.get("auto_pad", "NOTSET")
    pads = [int(pad) for pad in node.attributes.get("pads", [0] * (2 * rank))]
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same(image[2:], kernel, strides, dilations, upper=automatic == "SAME_UPPER")
    elif automatic == "VALID":
        pads = [0] * (2 * rank)
    if min(pads) < 0:
        raise UnsupportedError("negative padding is not supported: slice the input instead")
    if node.attributes.get("ceil_mode", 0):
        pads = _ceil(image[2:], kernel, strides, dilations, pads)
    before, after = pads[:rank], pads[rank:]
    if rank == 1:
        strides, dilations, before, after = [1, *strides], [1, *dilations], [0, *before], [0, *after]
    return (
        (strides[0], strides[1]),
        (before[0], after[0], before[1], after[1]),
        (dilations[0], dilations[1]),
    )


def _same(
    sizes: tuple[int, ...], kernel: tuple[int, ...], strides: list[int], dilations: list[int], *, upper: bool
) -> list[int]:
    """Padding for ceil(size / stride) outputs; the odd cell goes after (upper) or before."""
    small, large = [], []
    for size, taps, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + dilation * (taps - 1) + 1 - size)
        small.append(total // 2)
        large.append(total - total // 2)
    return small + large if upper else large + small


def _ceil(
    sizes: tuple[int, ...], kernel: tuple[int, ...], strides: list[int], dilations: list[int], pads: list[int]
) -> list[int]:
    """Padding at the end grown so that a last, partial window that begins inside the padded image counts too."""
    rank = len(sizes)
    result = list(pads)
    for i, (size, taps, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        whole = output_size(size, taps, stride, pads[i] + pads[rank + i], dilation)
        covered = (whole - 1) * stride + dilation * (taps - 1) + 1
        left_over = size + pads[i] + pads[rank + i] - covered
        if left_over > 0 and whole * stride < size + pads[i]:
            result[rank + i] += stride - left_over
    return result


def pad_widths(network: Network, node: Node) -> tuple[list[int], list[int], float] | None:
    """(before, after, value) of a Pad node with constant widths, per axis; None if they are computed at run time."""
    rank = len(network.shapes[node.output])
    pads = network.real_input(node, 1)
    if pads is None:
        return None
    value = network.real_input(node, 2)
    axes = network.real_input(node, 3)
    which = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    before, after = [0] * rank, [0] * rank
    half = len(pads) // 2
    for i, axis in enumerate(which):
        before[axis], after[axis] = int(pads[i]), int(pads[half + i])
    return before, after, 0.0 if value is None or not value.size else float(value.reshape(-1)[0])
