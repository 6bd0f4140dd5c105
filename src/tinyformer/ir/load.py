"""Any quantized model file that SparseEngine compiles, by its ending."""

from __future__ import annotations

from pathlib import Path

from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph
from tinyformer.ir.onnx_import import import_onnx


def load_model(path: Path) -> Graph:
    """Read ``path``.

    Raises:
        TinyFormerError: the file is missing, damaged, of no known format, or holds what cannot be compiled.
    """
    if not path.is_file():
        raise TinyFormerError(f"{path} does not exist; name a QDQ INT8 .onnx file.")
    if path.suffix != ".onnx":
        raise TinyFormerError(f"{path} is of no known format; give a QDQ INT8 .onnx file.")
    return import_onnx(path)
