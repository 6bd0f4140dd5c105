# SPDX-License-Identifier: Apache-2.0
"""A TensorFlow Lite model as a :class:`~tinyformer.ir.lowering.network.Network`."""

from __future__ import annotations

import numpy as np

from tinyformer.errors import TinyFormerError
from tinyformer.ir.lowering.network import Network
from tinyformer.ir.tflite_import.network_builder import NetworkBuilder
from tinyformer.ir.tflite_import.operators import TRANSLATIONS
from tinyformer.ir.tflite_import.reading import TfliteModel, TfliteOperator
from tinyformer.ir.tflite_import.spaces import without_batches


def translate(model: TfliteModel) -> Network:
    """The network of ``model``; unknown operators go into it as they are, to be reported with all others.

    Raises :class:`TinyFormerError` if the model is not fully quantized to INT8.
    """
    if len(model.inputs) != 1:
        raise TinyFormerError(
            f"model {model.name!r} must have exactly one input, not {len(model.inputs)}: export it with the image alone"
        )
    builder = NetworkBuilder(model)
    for operator in without_batches(model):
        problem = _problem(builder, operator)
        translation = TRANSLATIONS.get(operator.kind)
        if problem:
            builder.refuse(operator, operator.kind, problem)
        elif translation is not None:
            before = len(builder.network.nodes)
            translation(builder, operator)
            unread = operator.unread()
            if unread:
                text = ", ".join(f"{name} = {value}" for name, value in unread.items())
                del builder.network.nodes[before:]
                builder.refuse(
                    operator,
                    f"{operator.kind} with {text}",
                    "this field is not supported: convert the model without it",
                )
        else:
            builder.refuse(operator, operator.kind, "")
    builder.separate_clamps()
    builder.network.outputs = [builder.channels_first(builder.names[i]) for i in model.outputs]
    return builder.network


def _problem(builder: NetworkBuilder, operator: TfliteOperator) -> str:
    """What an INT8 engine cannot do about the operator's tensors; empty if there is nothing."""
    tensors = [builder.model.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
    states = [tensor for tensor in tensors if tensor.is_state or tensor.kind in {"RESOURCE", "VARIANT"}]
    if states:
        return (
            f"{states[0].name!r} is a state that outlives an inference, which is not supported: convert the model "
            "without streaming states, its window as the input"
        )
    variable = [tensor for tensor in tensors if tensor.value is None]
    wide = [tensor for tensor in variable if tensor.scale.size and tensor.dtype is np.int16]
    if wide:
        return f"its activation {wide[0].name!r} has 16 bits: convert the model with 8-bit activations"
    real = [tensor for tensor in variable if tensor.kind.startswith("FLOAT")]
    if real and operator.kind not in {"QUANTIZE", "DEQUANTIZE"}:
        return (
            f"its activation {real[0].name!r} is {real[0].kind.lower()}: convert the model fully quantized "
            "(converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8])"
        )
    return ""
