# SPDX-License-Identifier: Apache-2.0
"""Ranges of the tensors that a model leaves in float, observed in its own runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from tinyformer.errors import TinyFormerError
from tinyformer.verification.runtimes import open_runtime


def observed_ranges(path: Path, inputs: Path) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of every real tensor of the ONNX model ``path`` on ``inputs``.

    ``inputs`` is a .npy file of (N, *input shape) in the model's own layout and units; a leading 1 of the shape may be
    missing.

    Raises:
        TinyFormerError: the model is no .onnx file, or the inputs do not fit it.
    """
    if path.suffix.lower() != ".onnx":
        raise TinyFormerError(f"{path} needs no calibration: all tensors of a .tflite model have their ranges.")
    try:
        rows = np.load(inputs, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise TinyFormerError(f"{inputs} cannot be read ({error}): give a .npy file of inputs.") from error
    if rows.ndim == 0 or not len(rows):
        raise TinyFormerError(f"{inputs} holds no inputs: give at least one, better a hundred.")
    names = [name for node in onnx.load(path, load_external_data=False).graph.node for name in node.output if name]
    runtime = open_runtime(path, names)
    rank = len(runtime.shapes[0])
    ranges: dict[str, tuple[float, float]] = {}
    for row in rows:
        x = row if row.ndim == rank else row[None]
        try:
            found = runtime.run([x.astype(runtime.types[0])])[1]
        except TinyFormerError as error:
            shape = ", ".join(map(str, runtime.shapes[0]))
            raise TinyFormerError(
                f"{inputs} holds inputs of shape {row.shape}, but {path} takes ({shape}): give them in the model's own "
                "layout."
            ) from error
        for name, values in found.items():
            if values.size and np.issubdtype(values.dtype, np.floating):
                low, high = ranges.get(name, (np.inf, -np.inf))
                ranges[name] = min(low, float(values.min())), max(high, float(values.max()))
    return ranges
