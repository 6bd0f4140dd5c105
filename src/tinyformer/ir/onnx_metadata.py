# SPDX-License-Identifier: Apache-2.0
"""What an ONNX file says about its input and output beside the graph: keys of ``metadata_props``, values in JSON.

============================  =====================================================================
``tinyformer.pixels``         ``{"offset": o, "scale": s}``: the input is ``(pixel - o) * s``; for a data
                              set of numbers also ``"numbers"``: those that became pixels 0 and 255
``tinyformer.layout``         ``"NCHW"``: axes of the input
``tinyformer.classes``        names of the classes, in the order of the output
============================  =====================================================================
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx

from tinyformer.errors import TinyFormerError
from tinyformer.ir.pixels import PixelRule

_PIXELS, _LAYOUT, _CLASSES = "tinyformer.pixels", "tinyformer.layout", "tinyformer.classes"
_NCHW = "NCHW"


@dataclass(frozen=True)
class Metadata:
    """How raw pixels become the input, and what the outputs mean; None and empty where a model does not say."""

    pixels: PixelRule | None = None
    classes: tuple[str, ...] = ()


def write_metadata(model: onnx.ModelProto, pixels: PixelRule, classes: Sequence[str]) -> None:
    """Record in ``model`` how its input (N, C, H, W) is made of pixels, and the names of its ``classes``."""
    values: dict[str, Any] = {_CLASSES: list(classes), _LAYOUT: _NCHW, _PIXELS: pixels.as_dict()}
    texts = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    onnx.helper.set_model_props(model, _texts(model) | texts)


def read_metadata(model: onnx.ModelProto) -> Metadata:
    """What ``model`` says.

    Raises:
        TinyFormerError: a key is there, but not as this module writes it.
    """
    layout = _value(model, _LAYOUT)
    if layout not in (None, _NCHW):
        raise _wrong(_LAYOUT, f'"{_NCHW}", the layout of ONNX images')
    pixels, classes = _value(model, _PIXELS), _value(model, _CLASSES) or []
    if pixels is not None and not _is_rule(pixels):
        raise _wrong(_PIXELS, '{"offset": number, "scale": number}, "numbers": [low, high] at most besides')
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise _wrong(_CLASSES, "a list of names")
    return Metadata(None if pixels is None else PixelRule.from_dict(pixels), tuple(classes))


def _is_rule(pixels: Any) -> bool:
    if not isinstance(pixels, dict) or not {"offset", "scale"} <= pixels.keys() <= {"offset", "scale", "numbers"}:
        return False
    numbers = pixels.get("numbers", [0, 1])
    if not isinstance(numbers, list) or len(numbers) != 2:
        return False
    return all(map(_is_number, (pixels["offset"], pixels["scale"], *numbers))) and numbers[0] < numbers[1]


def _texts(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def _value(model: onnx.ModelProto, key: str) -> Any:
    """The decoded value of ``key``, None if it is not there."""
    try:
        return json.loads(_texts(model).get(key, "null"))
    except ValueError:
        raise _wrong(key, "JSON") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong(key: str, wanted: str) -> TinyFormerError:
    return TinyFormerError(f"The model's metadata {key!r} is not {wanted}: correct or remove it.")
