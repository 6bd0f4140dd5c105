"""Weight layouts, sparse encodings and the descriptions of the kernels.

The compiler asks :func:`implementations` for every way to run an operator and emits the one it picks; nothing outside
this package knows a kernel by name.
"""

from tinyformer.engine.packing.description import Call, Constant, Implementation, Kernel
from tinyformer.engine.packing.registry import HEADERS, KERNEL_DIRECTORY, KERNELS, implementations

__all__ = ["HEADERS", "KERNELS", "KERNEL_DIRECTORY", "Call", "Constant", "Implementation", "Kernel", "implementations"]
