"""The integer graph: operators, shapes, ONNX import and the NumPy reference executor."""
