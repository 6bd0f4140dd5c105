# SPDX-License-Identifier: Apache-2.0
"""The plain C kernels for operators of any shape, without scratch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tinyformer.engine.packing.description import Call, Constant, FieldValue, Implementation, Kernel, Pack
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Op, Tensor

Tensors = Mapping[str, Tensor]


def requantization_fields(r: ir.Requantization) -> dict[str, FieldValue]:
    """``multipliers`` and everything after it in the parameters of convolutions and pooling."""
    return {
        "multipliers": Constant(r.multipliers.astype(np.int32)),
        "multiplier_step": int(len(r.multipliers) > 1),
        **output_fields(r),
    }


def output_fields(r: ir.Requantization) -> dict[str, FieldValue]:
    """Shift, zero point and clamp of the output."""
    return {"shift": r.shift, "zero_point": r.zero_point, "low": r.low, "high": r.high}


def rows_and_columns(shape: tuple[int, ...]) -> tuple[int, int]:
    """Extent of all axes but the last, and of the last."""
    return int(np.prod(shape[:-1], dtype=np.int64)), shape[-1]


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Height, width and channels of an image (1, H, W, C)."""
    height, width, channels = shape[-3:]
    return height, width, channels


def window_fields(
    op: ir.Conv2D | ir.DepthwiseConv2D, kernel: tuple[int, int], x: Tensor, y: Tensor
) -> dict[str, FieldValue]:
    """Members of ``tf_window``, under the name ``window``."""
    in_height, in_width, in_channels = image_shape(x.shape)
    out_height, out_width, out_channels = image_shape(y.shape)
    members: dict[str, FieldValue] = {
        "in_height": in_height, "in_width": in_width, "in_channels": in_channels,
        "out_height": out_height, "out_width": out_width, "out_channels": out_channels,
        "kernel_height": kernel[0], "kernel_width": kernel[1],
        "stride_y": op.stride[0], "stride_x": op.stride[1],
        "pad_top": op.padding[0], "pad_left": op.padding[2],
        "dilation_y": op.dilation[0], "dilation_x": op.dilation[1],
        "pad_value": op.pad_value,
    }  # fmt: skip
    return {f"window.{name}": value for name, value in members.items()}


def _weight_fields(op: ir.Conv2D | ir.DepthwiseConv2D) -> dict[str, FieldValue]:
    weights, bias = Constant(op.weights.reshape(-1)), Constant(op.bias.astype(np.int32))
    return {"weights": weights, "bias": bias, **requantization_fields(op.requantization)}


def _conv(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.Conv2D)
    window = window_fields(op, op.weights.shape[1:3], tensors[op.inputs[0]], tensors[op.output])
    fields = {**window, "groups": op.groups, **_weight_fields(op)}
    return Call("conv", "tf_conv_params", fields)


def linear_as_convolution(op: ir.Linear, tensors: Tensors) -> tuple[ir.Conv2D, dict[str, Tensor]]:
    """``op`` as a 1x1 convolution over an image of one row of tokens, and the tensors in that shape."""
    conv = ir.Conv2D(
        op.name, op.inputs, op.output, op.weights[:, None, None, :], op.bias,
        stride=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1), groups=1, pad_value=0, requantization=op.requantization,
    )  # fmt: skip
    images = {}
    for name in (op.inputs[0], op.output):
        tensor = tensors[name]
        rows, columns = rows_and_columns(tensor.shape)
        images[name] = Tensor(name, (1, 1, rows, columns), tensor.scale, tensor.zero_point)
    return conv, images


def _linear(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.Linear)
    return _conv(*linear_as_convolution(op, tensors))


def _depthwise(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.DepthwiseConv2D)
    x, y = tensors[op.inputs[0]], tensors[op.output]
    window = window_fields(op, op.weights.shape[:2], x, y)
    fields = {**window, "groups": op.weights.shape[2], **_weight_fields(op)}
    return Call("depthwise", "tf_conv_params", fields)


def batch_matmul_fields(op: ir.BatchMatMul) -> dict[str, FieldValue]:
    """Members of ``tf_batch_matmul_params``."""
    return {
        "batch": op.batch, "rows": op.m, "depth": op.k, "columns": op.n,
        "a_strides": op.a_strides, "b_strides": op.b_strides, "y_strides": op.y_strides,
        "multiplier": int(op.requantization.multipliers[0]),
        "shift": op.requantization.shift,
        "a_zero_point": op.a_zero_point, "b_zero_point": op.b_zero_point,
        "zero_point": op.requantization.zero_point, "low": op.requantization.low, "high": op.requantization.high,
    }  # fmt: skip


def _batch_matmul(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.BatchMatMul)
    return Call("batch_matmul", "tf_batch_matmul_params", batch_matmul_fields(op), (0, 1))


def _pool_fields(op: ir.AveragePool2D | ir.MaxPool2D, x: Tensor, y: Tensor) -> dict[str, FieldValue]:
    in_height, in_width, channels = image_shape(x.shape)
    out_height, out_width, _ = image_shape(y.shape)
    return {
        "in_height": in_height, "in_width": in_width, "channels": channels,
        "out_height": out_height, "out_width": out_width,
        "kernel_height": op.kernel[0], "kernel_width": op.kernel[1],
        "stride_y": op.stride[0], "stride_x": op.stride[1],
        "pad_top": op.padding[0], "pad_left": op.padding[2],
    }  # fmt: skip


def _average_pool(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.AveragePool2D)
    window = _pool_fields(op, tensors[op.inputs[0]], tensors[op.output])
    zeros = {"in_zero_point": op.zero_point, "right_shift": op.right_shift}
    fields = {**window, **zeros, **requantization_fields(op.requantization)}
    return Call("average_pool", "tf_pool_params", fields)


def _max_pool(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.MaxPool2D)
    window = _pool_fields(op, tensors[op.inputs[0]], tensors[op.output])
    return Call("max_pool", "tf_pool_params", window)


def _pad(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.Pad)
    shape = tensors[op.inputs[0]].shape
    fill = 4 - len(shape)
    fields: dict[str, FieldValue] = {
        "in_shape": (1,) * fill + tuple(shape),
        "before": (0,) * fill + tuple(op.before),
        "out_shape": (1,) * fill + tuple(tensors[op.output].shape),
        "value": op.value,
    }
    return Call("pad", "tf_pad_params", fields)


def _transpose(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.Transpose)
    shape = tensors[op.inputs[0]].shape
    strides = [int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape))]
    fill = 4 - len(shape)
    fields: dict[str, FieldValue] = {
        "shape": (1,) * fill + tuple(shape[axis] for axis in op.permutation),
        "strides": (0,) * fill + tuple(strides[axis] for axis in op.permutation),
    }
    return Call("transpose", "tf_transpose_params", fields)


def _slice(op: Op, tensors: Tensors) -> Call:
    assert isinstance(op, ir.Slice)
    shape = tensors[op.inputs[0]].shape
    inner = int(np.prod(shape[op.axis + 1 :], dtype=np.int64))
    outer = int(np.prod(shape[: op.axis], dtype=np.int64))
    piece = (op.end - op.begin) * inner
    fields: dict[str, FieldValue] = {
        "count": outer, "bytes": piece,
        "source_offset": op.begin * inner, "source_stride": shape[op.axis] * inner,
        "target_offset": 0, "target_stride": piece,
    }  # fmt: skip
    return Call("copy", "tf_copy_params", fields)


def _concat(op: Op, tensors: Tensors, limit: int) -> list[Implementation]:
    assert isinstance(op, ir.Concat)
    whole = tensors[op.output].shape
    inner = int(np.prod(whole[op.axis + 1 :], dtype=np.int64))
    outer = int(np.prod(whole[: op.axis], dtype=np.int64))
    calls, offset = [], 0
    for position, name in enumerate(op.inputs):
        piece = tensors[name].shape[op.axis] * inner
        fields: dict[str, FieldValue] = {
            "count": outer, "bytes": piece, "source_offset": 0, "source_stride": piece,
            "target_offset": offset, "target_stride": whole[op.axis] * inner,
        }  # fmt: skip
        calls.append(Call("copy", "tf_copy_params", fields, (position,)))
        offset += piece
    return [Implementation("copy", ("tf_copy.c",), tuple(calls))]


def _reshape(op: Op, tensors: Tensors, limit: int) -> list[Implementation]:
    """Nothing to do, unless the output must have bytes of its own."""
    size = tensors[op.output].size
    fields: dict[str, FieldValue] = {
        "count": 1, "bytes": size, "source_offset": 0, "source_stride": size, "target_offset": 0, "target_stride": size,
    }  # fmt: skip
    return [Implementation("reshape", ("tf_copy.c",), (Call("copy", "tf_copy_params", fields),), alias=True)]


def one_call(
    name: str,
    pack: Callable[[Op, Tensors], Call],
    scratch: Callable[[Tensor], int] = lambda y: 0,
    in_place: Callable[[Op, Tensors], tuple[int, ...]] = lambda op, tensors: (),
    helpers: tuple[str, ...] = (),
    encoding: str = "",
) -> Pack:
    """Packing of a kernel ``tf_<name>.c`` (with ``helpers``) that runs an operator in one call."""

    def implement(op: Op, tensors: Tensors, limit: int) -> list[Implementation]:
        call = pack(op, tensors)
        sources = (f"tf_{name}.c", *helpers)
        scratch_bytes = scratch(tensors[op.output])
        return [Implementation(name, sources, (call,), scratch_bytes, in_place(op, tensors), encoding=encoding)]

    return implement


KERNELS: tuple[Kernel, ...] = (
    Kernel("conv", (ir.Conv2D,), one_call("conv", _conv, encoding="dense")),
    Kernel("conv", (ir.Linear,), one_call("conv", _linear, encoding="dense")),
    Kernel("depthwise", (ir.DepthwiseConv2D,), one_call("depthwise", _depthwise, encoding="dense")),
    Kernel("batch_matmul", (ir.BatchMatMul,), one_call("batch_matmul", _batch_matmul)),
    Kernel("average_pool", (ir.AveragePool2D,), one_call("average_pool", _average_pool)),
    Kernel("max_pool", (ir.MaxPool2D,), one_call("max_pool", _max_pool)),
    Kernel("copy", (ir.Slice,), one_call("copy", _slice)),
    Kernel("copy", (ir.Concat,), _concat),
    Kernel("pad", (ir.Pad,), one_call("pad", _pad)),
    Kernel("transpose", (ir.Transpose,), one_call("transpose", _transpose)),
    Kernel("reshape", (ir.Reshape,), _reshape),
)
"""Plain C kernels; every operator type of the graph has exactly one here, in ``elementwise`` or in ``pieces``."""
