# SPDX-License-Identifier: Apache-2.0
"""The first axis of an input is a batch only where the model treats it as one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.ir.qdq import QdqModel, compare
from tests.ir.tflite_models import TfliteModel, conv
from tinyformer.errors import TinyFormerError
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute_all
from tinyformer.ir.tflite_import import import_tflite


def with_first_axis(model: onnx.ModelProto, size: int | str) -> onnx.ModelProto:
    """``model`` with another first axis of its input."""
    axis = model.graph.input[0].type.tensor_type.shape.dim[0]
    if isinstance(size, str):
        axis.dim_param = size
    else:
        axis.dim_value = size
    return model


def rows(m: QdqModel) -> str:
    y = m.operator("Relu", [m.operator("MatMul", [m.input, m.weight((10, 8), 1)])])
    return m.operator("Softmax", [y], axis=-1)


def planes(m: QdqModel) -> str:
    y = m.node("Unsqueeze", [m.input, m.constant(np.array([0]))])
    return m.operator("AveragePool", [y], kernel_shape=[2, 2])


def vector(m: QdqModel) -> str:
    y = m.node("Reshape", [m.operator("Tanh", [m.input]), m.constant(np.array([1, -1]))])
    return m.operator("MatMul", [y, m.weight((12, 5), 1)])


@pytest.mark.parametrize(
    ("make", "shape"),
    [(rows, (1, 20, 10)), (planes, (1, 3, 8, 8)), (vector, (1, 12))],
    ids=["rows", "planes", "vector"],
)
def test_a_first_axis_that_counts_no_images_is_kept(make: Callable[[QdqModel], str], shape: tuple[int, ...]) -> None:
    """The model's input is without a batch; QdqModel's has one, so its scales are found on one image."""
    m = QdqModel(shape, images=1)
    output = make_unbatched(m, make)
    model = m.model(output)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    del dims[0]
    graph = import_onnx(model)
    assert graph.tensors[graph.input].shape == shape[1:]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"x": m.real_input[0]})[0]
    result = graph.tensors[graph.outputs[0]]
    y = execute_all(graph, m.integers)[result.name]
    mine = result.scale * (y.astype(np.float64) - result.zero_point)
    mine = mine.reshape(theirs.shape) if make is not planes else mine.transpose(0, 1, 4, 2, 3).reshape(theirs.shape)
    assert np.abs(mine - theirs).max() <= 2.001 * result.scale


def make_unbatched(m: QdqModel, make: Callable[[QdqModel], str]) -> str:
    """``make`` on a model whose images have lost their batch axis while scales are sought."""
    run = m.run

    def unbatched(output: str, images: np.ndarray) -> np.ndarray:
        model = m.model(output)
        del model.graph.input[0].type.tensor_type.shape.dim[0]
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return np.stack([session.run(None, {"x": image})[0] for image in images])

    m.run = unbatched  # type: ignore[method-assign]
    output = make(m)
    m.run = run  # type: ignore[method-assign]
    return output


@pytest.mark.parametrize("size", [1, 4, "N"])
def test_a_first_axis_that_counts_images_is_one_image(size: int | str) -> None:
    m = QdqModel((1, 3, 6, 6))
    y = m.operator("Conv", [m.operator("Tanh", [m.input]), m.weight((4, 3, 3, 3))])
    graph = import_onnx(with_first_axis(m.model(y), size))
    assert graph.tensors[graph.input].shape == (1, 6, 6, 3)


def test_rows_of_a_fixed_number_are_all_computed() -> None:
    m = QdqModel((1, 12))
    y = m.operator("Gemm", [m.input, m.weight((12, 5), 1)])
    graph = import_onnx(with_first_axis(m.model(y), 4))
    assert graph.tensors[graph.outputs[0]].shape == (4, 5)


def test_several_images_of_a_tflite_model_are_refused() -> None:
    m = TfliteModel((2, 6, 6, 3))
    y = conv(m, m.input, 4)
    m.tensors[y].shape = [2, 6, 6, 4]
    with pytest.raises(TinyFormerError, match="2 images at once: export the model with batch size 1"):
        import_tflite(m.content(y))


CHANNELS_LAST, OWN = (0, 2, 3, 1), (0, 1, 2, 3)


def from_channels_last(m: QdqModel) -> str:
    """As tf2onnx writes it: channels last outside, transposed for the convolution and back."""
    y = m.node("Transpose", [m.operator("Tanh", [m.input])], perm=[0, 3, 1, 2])
    y = m.operator("Conv", [y, m.weight((4, 3, 3, 3))])
    return m.operator("Sigmoid", [m.node("Transpose", [y], perm=[0, 2, 3, 1])])


def image(m: QdqModel) -> str:
    return m.operator("Sigmoid", [m.operator("Conv", [m.operator("Tanh", [m.input]), m.weight((4, 9, 3, 3))])])


def heads(m: QdqModel) -> str:
    return m.operator("MatMul", [m.input, m.weight((3, 5), 1)])


@pytest.mark.parametrize(
    ("make", "order", "moves"), [(from_channels_last, OWN, 0), (image, CHANNELS_LAST, 0), (heads, OWN, 0)]
)
def test_four_axes_enter_and_leave_as_their_neighbours_see_them(
    make: Callable[[QdqModel], str], order: tuple[int, ...], moves: int
) -> None:
    m = QdqModel((1, 9, 7, 3))
    graph, error = compare(m, make(m))
    assert error <= 3.001
    assert graph.axes == {graph.input: order, graph.outputs[0]: order}
    assert sum(type(op).__name__ == "Transpose" for op in graph.ops) == moves
