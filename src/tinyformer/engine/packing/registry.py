# SPDX-License-Identifier: Apache-2.0
"""All kernels, the fastest first, and the question the compiler asks of them."""

from __future__ import annotations

from collections.abc import Mapping

from tinyformer.engine.packing import dense, depthwise, elementwise, matmul, pieces, portable, sparse, vector
from tinyformer.engine.packing.description import Implementation, Kernel
from tinyformer.ir.graph import Op, Tensor

KERNELS: tuple[Kernel, ...] = (
    sparse.KERNEL,
    dense.KERNEL,
    vector.KERNEL,
    depthwise.KERNEL,
    matmul.KERNEL,
    *elementwise.KERNELS,
    *pieces.KERNELS,
    *portable.KERNELS,
)


def implementations(op: Op, tensors: Mapping[str, Tensor], scratch_limit: int) -> list[Implementation]:
    """Every way to run ``op``, in order of expected speed; the last always exists and needs the least memory.

    Args:
        op: the operator.
        tensors: the graph's activations by name.
        scratch_limit: bytes of fast scratch that a kernel may use (those that need a minimum may exceed it by nothing:
            they are left out instead).

    Raises:
        NotImplementedError: no kernel serves this type of operator.
    """
    found = [
        implementation
        for kernel in KERNELS
        if isinstance(op, kernel.operators)
        for implementation in kernel.pack(op, tensors, scratch_limit)
    ]
    if not found:
        raise NotImplementedError(f"no kernel runs {type(op).__name__} '{op.name}'")
    return found
