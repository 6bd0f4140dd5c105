# SPDX-License-Identifier: Apache-2.0
"""Compiled models against the runtime of their source: onnxruntime for .onnx, LiteRT for .tflite."""
