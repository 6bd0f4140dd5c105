"""One door for model files: by suffix to the importer of their format."""

from __future__ import annotations

from pathlib import Path

from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.tflite_import import import_tflite


def import_model(path: str | Path, name: str | None = None) -> Graph:
    """The integer graph of an INT8 model file, ``.onnx`` (QDQ) or ``.tflite``; ``name`` defaults to its stem."""
    suffix = Path(path).suffix.lower()
    if suffix == ".onnx":
        return import_onnx(path, name)
    if suffix == ".tflite":
        return import_tflite(path, name)
    raise TinyFormerError(f"{path} is of no known model format: give a quantized .onnx or .tflite file")
