# SPDX-License-Identifier: Apache-2.0
"""Running ONNX models in onnxruntime: accuracy, and how far INT8 activations are from the float model's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tinyformer.errors import TinyFormerError


def session(model: onnx.ModelProto, *, optimize: bool = True) -> onnxruntime.InferenceSession:
    """A single-threaded onnxruntime session on the CPU; the same inputs give the same bits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise TinyFormerError(f"onnxruntime cannot load the model: {str(error).splitlines()[0]}") from error


def expose(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """A copy of ``model`` whose outputs are exactly ``tensors``."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors)
    return copy


def batches(
    running: onnxruntime.InferenceSession, images: NDArray[np.float32], size: int
) -> Iterator[list[NDArray[Any]]]:
    """The session's outputs for ``images`` (N, C, H, W), batch by batch; one by one if the model's batch is fixed to 1.

    Raises :class:`TinyFormerError` if the images do not fit the model's input.
    """
    source = running.get_inputs()[0]
    expected, given = source.shape, images.shape
    mismatch = len(expected) != len(given) or any(
        isinstance(want, int) and want != have for want, have in zip(expected[1:], given[1:], strict=False)
    )
    if mismatch:
        raise TinyFormerError(f"The model's input '{source.name}' has shape {expected}, but the images have {given}.")
    if isinstance(expected[0], int):
        if expected[0] != 1:
            raise TinyFormerError(
                f"The model's batch is fixed to {expected[0]}; export it with batch 1 or a symbolic one."
            )
        size = 1
    for start in range(0, len(images), size):
        yield running.run(None, {source.name: images[start : start + size]})


def accuracy(
    model: onnx.ModelProto, images: NDArray[np.float32], labels: NDArray[np.int64], batch_size: int = 64
) -> float:
    """Top-1 accuracy, 0 .. 1, of a float or QDQ model on ``images`` (N, C, H, W) with ``labels`` (N,)."""
    return float(np.mean(logits(model, images, batch_size).argmax(axis=1) == labels))


def logits(model: onnx.ModelProto, images: NDArray[np.float32], batch_size: int = 64) -> NDArray[np.float32]:
    """The model's first output, (N, classes).

    QDQ models run node by node as written, not through the integer kernels of onnxruntime, which differ between CPUs.
    """
    running = session(model, optimize=False)
    return np.concatenate([outputs[0] for outputs in batches(running, images, batch_size)])


def signal_to_noise(
    float_model: onnx.ModelProto, quantized: onnx.ModelProto, images: NDArray[np.float32], batch_size: int = 64
) -> dict[str, float]:
    """Signal-to-quantization-noise ratio in dB of every INT8 activation that the float model has under the same name.

    The noise is everything that has accumulated up to there, not that of one operator alone; in execution order.
    """
    made = {name for node in float_model.graph.node for name in node.output} | {float_model.graph.input[0].name}
    pairs = {
        node.name.removesuffix(".dequantize"): node.output[0]
        for node in quantized.graph.node
        if node.op_type == "DequantizeLinear" and node.name.removesuffix(".dequantize") in made
    }
    exact = session(expose(float_model, list(pairs)))
    rounded = session(expose(quantized, list(pairs.values())), optimize=False)
    signal, noise = np.zeros(len(pairs)), np.zeros(len(pairs))
    for a, b in zip(batches(exact, images, batch_size), batches(rounded, images, batch_size), strict=True):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            signal[i] += np.sum(np.square(x, dtype=np.float64))
            noise[i] += np.sum(np.square(x - y, dtype=np.float64))
    ratios = 10 * np.log10(np.maximum(signal, 1e-30) / np.maximum(noise, 1e-30))
    return dict(zip(pairs, map(float, ratios), strict=True))
