# SPDX-License-Identifier: Apache-2.0
"""The integer graph: operators, shapes, ONNX import and the NumPy reference executor."""
