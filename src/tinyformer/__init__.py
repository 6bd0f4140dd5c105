# SPDX-License-Identifier: Apache-2.0
"""TinyFormer: sparse INT8 convolution+transformer models as C code for microcontrollers."""

__version__ = "0.1.0"
