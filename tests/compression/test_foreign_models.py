# SPDX-License-Identifier: Apache-2.0
"""Models of other exporters: other spellings of the same operators, and operators without INT8 form."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tinyformer.compression.onnx_runs import logits
from tinyformer.compression.quantize import quantize
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.errors import TinyFormerError

RNG = np.random.default_rng(0)
IMAGES = np.clip(RNG.normal(0, 0.4, (32, 3, 8, 8)), -1, 127 / 128).astype(np.float32)


def parse(body: str, opset: int = 17, **constants: np.ndarray) -> onnx.ModelProto:
    """A model from ONNX's text format, its constants as initializers; input (N, 3, 8, 8)."""
    header = f'<ir_version: 8, opset_import: ["" : {opset}]>'
    model = onnx.parser.parse_model(f"{header} net (float[N, 3, 8, 8] input) => (float[N, K] output) {{ {body} }}")
    model.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items())
    return model


def weights(*shape: int) -> np.ndarray:
    return (RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


HEAD = """p = GlobalAveragePool(z) s = Constant <value_ints = [0, -1]> ()
          f = Reshape(p, s) output = Gemm <transB = 1> (f, v)"""

MODELS = {
    "BatchNorm, convolution without bias, shared rectifier": parse(
        """a = Conv <pads = [1, 1, 1, 1]> (input, w) b = BatchNormalization (a, g, h, m, q)
           r = Relu(b) z = Add(r, b)""" + HEAD,
        w=weights(16, 3, 3, 3), g=np.float32(RNG.uniform(0.5, 1.5, 16)), h=np.float32(RNG.normal(size=16)),
        m=np.float32(RNG.normal(size=16) * 0.1), q=np.float32(RNG.uniform(0.2, 0.6, 16)), v=weights(5, 16),
    ),
    "decomposed GELU and hard-swish": parse(
        """a = Conv (input, w) b = Div(a, two) c = Erf(b) d = Add(c, one) e = Mul(a, d) y = Mul(e, half)
           t = Conv (y, u) k = Add(t, three) l = Clip(k, zero, six) n = Mul(t, l) z = Div(n, six)""" + HEAD,
        w=weights(8, 3, 3, 3) * 4, u=weights(8, 8, 1, 1), v=weights(5, 8), two=np.float32(2**0.5), one=np.float32(1),
        half=np.float32(0.5), three=np.float32(3), zero=np.float32(0), six=np.float32(6),
    ),
    "concatenation of scales, one of them fixed": parse(
        """a = Conv <pads = [1, 1, 1, 1]> (input, w) b = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a)
           c = Softmax <axis = 3> (b) d = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (a)
           z = Concat <axis = 1> (b, c, d)""" + HEAD,
        w=weights(8, 3, 3, 3), v=weights(5, 24),
    ),
    "gate, constant array, subtraction": parse(
        """a = Conv <pads = [1, 1, 1, 1]> (input, w) g = GlobalAveragePool(a) s2 = Sigmoid(g) b = Mul(a, s2)
           c = Add(b, table) z = Sub(c, a)""" + HEAD,
        w=weights(8, 3, 3, 3), v=weights(5, 8), table=weights(1, 8, 8, 8),
    ),
    "static shape arithmetic and dropout, old operator set": parse(
        """a = Conv (input, w) z = Dropout (a) p = GlobalAveragePool(z) sh = Shape(v) i = Constant <value_ints = [1]> ()
           c = Gather <axis = 0> (sh, i) n = Constant <value_ints = [-1]> () s = Concat <axis = 0> (n, c)
           f = Reshape(p, s) output = Gemm <transB = 1> (f, v)""",
        opset=13, w=weights(8, 3, 3, 3), v=weights(5, 8),
    ),
    "BatchNorm behind a concatenation and behind a Gemm, and a split": parse(
        """a = Conv <pads = [1, 1, 1, 1]> (input, w) b = Concat <axis = 1> (a, input)
           c = BatchNormalization (b, g, h, m, q) d = Relu(c) e, f = Split <axis = 1, num_outputs = 2> (d)
           k = Mul(e, f) p = GlobalAveragePool(k)
           s = Constant <value_ints = [0, -1]> () r = Reshape(p, s) t = Gemm <transB = 1> (r, v)
           output = BatchNormalization (t, g2, h2, m2, q2)""",
        opset=18, w=weights(5, 3, 3, 3), v=weights(8, 4), g=np.float32(RNG.uniform(0.5, 1.5, 8)),
        h=np.float32(RNG.normal(size=8)), m=np.float32(RNG.normal(size=8) * 0.1),
        q=np.float32(RNG.uniform(0.2, 0.6, 8)),
        g2=np.float32(RNG.uniform(0.5, 1.5, 8)), h2=np.float32(RNG.normal(size=8)),
        m2=np.float32(RNG.normal(size=8) * 0.1), q2=np.float32(RNG.uniform(0.2, 0.6, 8)),
    ),
    "two layers with one weight": parse(
        """t = Reshape(input, s3) a = MatMul(t, w) r = Relu(a) b = MatMul(r, w) c = Add(b, bias) d = Tanh(c)
           f = Reshape(d, s2) output = Gemm <transB = 1> (f, v)""",
        s3=np.array([0, 3, 64]), w=weights(64, 64), bias=weights(64), s2=np.array([0, 192]), v=weights(5, 192),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_other_spellings_are_understood(name: str) -> None:
    model = MODELS[name]
    onnx.checker.check_model(model)
    quantized = quantize(model, IMAGES, QuantizationConfig())
    assert quantized.opset_import[0].version >= 17
    exact, rounded = logits(model, IMAGES), logits(quantized, IMAGES)
    assert 10 * np.log10(np.sum(exact**2) / np.sum((exact - rounded) ** 2)) > 25
    floats = {
        node.op_type
        for node in quantized.graph.node
        if node.op_type in ("BatchNormalization", "Dropout", "Constant", "Shape")
    }
    assert not floats


def test_feature_maps_are_made_larger() -> None:
    """Apart from the others: no training with quantization resizes feature maps."""
    model = parse(
        """a = Conv(input, w) b = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric",
           nearest_mode = "floor"> (a, , two) c = Relu(b) d = Resize <mode = "linear"> (c, , two)
           e = Conv <strides = [2, 2]> (d, x) p = GlobalAveragePool(e) s = Constant <value_ints = [0, -1]> ()
           f = Reshape(p, s) output = Gemm <transB = 1> (f, v)""",
        two=np.float32([1, 1, 2, 2]), w=weights(4, 3, 3, 3), x=weights(6, 4, 3, 3), v=weights(5, 6),
    )  # fmt: skip
    exact, rounded = logits(model, IMAGES), logits(quantize(model, IMAGES, QuantizationConfig()), IMAGES)
    assert 10 * np.log10(np.sum(exact**2) / np.sum((exact - rounded) ** 2)) > 25


def test_a_fixed_batch_of_one_is_fed_one_by_one() -> None:
    model = onnx.ModelProto()
    model.CopyFrom(MODELS["gate, constant array, subtraction"])
    dimension = model.graph.input[0].type.tensor_type.shape.dim[0]
    free = quantize(model, IMAGES, QuantizationConfig())
    dimension.dim_value = 1
    fixed = quantize(model, IMAGES, QuantizationConfig())
    np.testing.assert_allclose(logits(fixed, IMAGES), logits(free, IMAGES), atol=0.05)
    dimension.dim_value = 4
    with pytest.raises(TinyFormerError, match="batch is fixed to 4"):
        quantize(model, IMAGES, QuantizationConfig())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("z = InstanceNormalization(input, c, c)" + HEAD, r"node 'z' with output shape \(N, 3, 8, 8\)"),
        ("a = Conv(input, w) z = LRN <size = 3> (a)" + HEAD, r"LRN node 'z'.*docs/model_import"),
        ("n = Neg(w) m = Relu(input) z = Conv(m, m)" + HEAD, "Conv node 'z'.*weights must be constants"),
        ("z = Pad <mode = \"reflect\"> (input, p8)" + HEAD, "Pad node 'z'.*pad with zeros"),
        ("z = Relu(input) p = GlobalAveragePool(z) s = Constant <value_ints = [0, -1]> () f = Reshape(p, s)"
         "output = Gemm <transB = 1, alpha = 2.0> (f, v)", "Gemm node.*fold alpha"),
    ],
)  # fmt: skip
def test_what_has_no_int8_form_is_named(body: str, message: str) -> None:
    model = parse(
        body,
        w=weights(3, 3, 3, 3),
        v=weights(5, 3),
        c=np.float32([1, 1, 1]),
        p8=np.array([0, 0, 1, 1] * 2),
    )
    with pytest.raises(TinyFormerError, match=message):
        quantize(model, IMAGES, QuantizationConfig())


def test_unusable_calibration_is_named() -> None:
    model = MODELS["gate, constant array, subtraction"]
    with pytest.raises(TinyFormerError, match=r"shape \['N', 3, 8, 8\], but the images have \(2, 1, 8, 8\)"):
        quantize(model, np.zeros((2, 1, 8, 8), np.float32), QuantizationConfig())
    with pytest.raises(TinyFormerError, match="at least one image"):
        quantize(model, IMAGES[:0], QuantizationConfig())
    with pytest.raises(TinyFormerError, match="is not finite"):
        quantize(model, np.full((1, 3, 8, 8), np.nan, np.float32), QuantizationConfig())


def test_a_quantized_model_is_refused() -> None:
    model = MODELS["gate, constant array, subtraction"]
    quantized = quantize(model, IMAGES, QuantizationConfig())
    with pytest.raises(TinyFormerError, match="quantized already"):
        quantize(quantized, IMAGES, QuantizationConfig())
