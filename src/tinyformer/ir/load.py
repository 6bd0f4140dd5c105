# SPDX-License-Identifier: Apache-2.0
"""Any quantized model file that SparseEngine compiles, by its ending."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.tflite_import import import_tflite


class _Importer(Protocol):
    def __call__(self, path: Path, /, *, calibrated: Mapping[str, tuple[float, float]] | None) -> Graph: ...


_IMPORTERS: Mapping[str, _Importer] = {".onnx": import_onnx, ".tflite": import_tflite}


def load_model(path: Path, calibrated: Mapping[str, tuple[float, float]] | None = None) -> Graph:
    """Read ``path``, a QDQ INT8 ``.onnx`` or a fully quantized ``.tflite`` file; the graph is named after its stem.

    ``calibrated`` has the smallest and largest values of tensors that the file leaves in float, by name.

    Raises:
        TinyFormerError: the file is missing, damaged, of no known format, or holds what cannot be compiled.
    """
    if not path.is_file():
        raise TinyFormerError(f"{path} does not exist; name a QDQ INT8 .onnx or an INT8 .tflite file.")
    if path.suffix.lower() not in _IMPORTERS:
        raise TinyFormerError(f"{path} is of no known format; give a QDQ INT8 .onnx or an INT8 .tflite file.")
    return _IMPORTERS[path.suffix.lower()](path, calibrated=calibrated)
