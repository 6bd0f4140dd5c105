# SPDX-License-Identifier: Apache-2.0
"""Weight layouts, sparse encodings and the descriptions of the kernels.

The compiler asks :func:`implementations` for every way to run an operator and emits the one it picks; nothing outside
this package knows a kernel by name.
"""

from tinyformer.engine.packing.description import Call, Constant, Implementation, Kernel
from tinyformer.engine.packing.kernel_files import KERNEL_DIRECTORY, KERNEL_FILES, KERNEL_INCLUDES
from tinyformer.engine.packing.registry import KERNELS, implementations

__all__ = [
    "KERNELS",
    "KERNEL_DIRECTORY",
    "KERNEL_FILES",
    "KERNEL_INCLUDES",
    "Call",
    "Constant",
    "Implementation",
    "Kernel",
    "implementations",
]
