# SPDX-License-Identifier: Apache-2.0
"""Brings models of any operator set to one, so that every operator has one meaning."""

from __future__ import annotations

import onnx
from onnx import helper, version_converter

from tinyformer.errors import TinyFormerError
from tinyformer.ir.onnx_constants import STANDARD_DOMAINS

OPSET = 21
"""Models of older operator sets are converted; newer sets change nothing that is understood here."""

_LAST_CHANGE_OF_MEANING = 13
_QUANTIZERS = {"QuantizeLinear", "DequantizeLinear"}
_APART = "quantizers"


def set_quantizers_apart(model: onnx.ModelProto) -> None:
    """Move Q and DQ nodes to a domain of their own.

    Exporters write them with an ``axis`` into operator sets that do not have it yet, which ONNX's checker and converter
    refuse; their meaning never changed.
    """
    for node in model.graph.node:
        if node.op_type in _QUANTIZERS and node.domain in STANDARD_DOMAINS:
            node.domain = _APART
    if all(entry.domain != _APART for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_APART, 1))


def to_one_operator_set(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` in :data:`OPSET` or newer, its quantizers back in their domain.

    Raises :class:`TinyFormerError` if an operator that changed its meaning meanwhile cannot be converted.
    """
    set_quantizers_apart(model)
    version = next((entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS), OPSET)
    if version < OPSET:
        try:
            model = version_converter.convert_version(model, OPSET)
        except Exception as error:  # the converter reports by whatever its C++ raises
            if version < _LAST_CHANGE_OF_MEANING:
                reason = str(error).strip().splitlines()[0]
                raise TinyFormerError(
                    f"the model's operator set {version} cannot be converted to {OPSET} ({reason}): export the model "
                    f"with operator set {_LAST_CHANGE_OF_MEANING} or newer"
                ) from error
    for node in model.graph.node:
        if node.domain == _APART:
            node.domain = ""
    return model
