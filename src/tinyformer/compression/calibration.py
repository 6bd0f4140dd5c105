"""Running the float model over calibration images with its activations exposed, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tinyformer.compression.ranges import Statistics
from tinyformer.errors import TinyFormerError

BINS = 2048


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


def observe(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    images: NDArray[np.float32],
    batch_size: int,
    *,
    histograms: bool,
    channel_axes: Mapping[str, int],
) -> dict[str, Statistics]:
    """Statistics of ``tensors`` over ``images`` (N, C, H, W); means per channel along ``channel_axes`` where given.

    Raises :class:`TinyFormerError` if there are no images, or a value is not finite.
    """
    if len(images) == 0:
        raise TinyFormerError("Calibration needs at least one image.")
    running = session(expose(model, tensors))
    seen: dict[str, Statistics] = {}
    sums: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    for outputs in batches(running, images, batch_size):
        for name, values in zip(tensors, outputs, strict=True):
            low, high = float(values.min()), float(values.max())
            if not np.isfinite([low, high]).all():
                raise TinyFormerError(
                    f"Activation '{name}' is not finite on the calibration images; train the model anew."
                )
            before = seen.get(name, Statistics(low, high, np.zeros(0, np.int64)))
            seen[name] = Statistics(min(low, before.low), max(high, before.high), before.counts)
            if name in channel_axes:
                rows = np.moveaxis(values, channel_axes[name], -1).reshape(-1, values.shape[channel_axes[name]])
                sums[name] = sums.get(name, 0) + rows.sum(axis=0, dtype=np.float64)
                counts[name] = counts.get(name, 0) + len(rows)
    for name, total in sums.items():
        seen[name].channel_means = total / counts[name]
    if histograms:
        for statistics in seen.values():
            statistics.counts = np.zeros(BINS, np.int64)
        for outputs in batches(running, images, batch_size):
            for name, values in zip(tensors, outputs, strict=True):
                entry = seen[name]
                limits = (entry.low, max(entry.high, np.nextafter(np.float32(entry.low), np.float32(np.inf))))
                entry.counts += np.histogram(values, BINS, limits)[0]
    return seen
