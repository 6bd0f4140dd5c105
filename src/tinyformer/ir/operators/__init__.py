# SPDX-License-Identifier: Apache-2.0
"""The operators of the integer graph, one class each: parameters, rule of shapes, and definition of the right answer.

All that the compiler asks of an operator besides is its kernels (:mod:`tinyformer.engine.packing`).
"""
