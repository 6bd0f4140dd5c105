"""From a found sub-network to an INT8 model: sparse fine-tuning, export to ONNX, quantization."""
