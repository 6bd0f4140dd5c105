"""A TensorFlow Lite model as a :class:`~tinyformer.ir.lowering.network.Network`."""

from __future__ import annotations

from tinyformer.errors import TinyFormerError
from tinyformer.ir.lowering.network import Network
from tinyformer.ir.tflite_import.network_builder import NetworkBuilder
from tinyformer.ir.tflite_import.operators import TRANSLATIONS
from tinyformer.ir.tflite_import.reading import TfliteModel


def translate(model: TfliteModel) -> Network:
    """The network of ``model``; unknown operators go into it as they are, to be reported with all others.

    Raises :class:`TinyFormerError` if the model is not fully quantized to INT8.
    """
    if len(model.inputs) != 1:
        raise TinyFormerError(
            f"model {model.name!r} must have exactly one input, not {len(model.inputs)}: export it with the image alone"
        )
    builder = NetworkBuilder(model)
    for operator in model.operators:
        translation = TRANSLATIONS.get(operator.kind)
        if translation is not None:
            translation(builder, operator)
        else:
            builder.node(operator.kind, [name for name in builder.inputs(operator) if name], operator)
    builder.network.outputs = [builder.channels_first(builder.names[i]) for i in model.outputs]
    return builder.network
