# SPDX-License-Identifier: Apache-2.0
"""From a found sub-network to an INT8 model: sparse fine-tuning, export to ONNX, quantization."""
