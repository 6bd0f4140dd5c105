# SPDX-License-Identifier: Apache-2.0
"""Descriptions of kernels: the vocabulary between packing, selection and the C emitter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.graph import Op, Tensor

C_TYPES = {
    np.dtype(np.int8): "int8_t",
    np.dtype(np.uint8): "uint8_t",
    np.dtype(np.int16): "int16_t",
    np.dtype(np.uint16): "uint16_t",
    np.dtype(np.int32): "int32_t",
    np.dtype(np.uint32): "uint32_t",
}
"""Element types of constants."""


@dataclass(frozen=True, eq=False)
class Constant:
    """An array in flash: ``const <c_type> name[len(values)]`` aligned to ``alignment`` bytes."""

    values: NDArray[Any]
    alignment: int = 4

    @property
    def c_type(self) -> str:
        """Element type in C."""
        return C_TYPES[self.values.dtype]

    @property
    def nbytes(self) -> int:
        """Bytes of flash."""
        return self.values.nbytes


FieldValue: TypeAlias = int | tuple[int, ...] | Constant
"""Initializer of a struct member: a number, an array inside the struct, or a pointer to a constant."""


@dataclass(frozen=True)
class Call:
    """One call ``<prefix><function>(&params, inputs..., output, scratch)``.

    ``struct`` names the type of the parameters; ``fields`` initializes its members, in the order of declaration, by
    the text after the dot of a designated initializer (``window.in_height`` for a member of a member);
    ``inputs`` are positions among the operator's inputs.
    """

    function: str
    struct: str
    fields: Mapping[str, FieldValue]
    inputs: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Implementation:
    """One way to run one operator of a graph.

    ``kernel`` is a name for reports; ``sources`` are files under ``engine/kernels`` (C, and assembly that is empty
    but on its core; they compile for any target); ``scratch_bytes`` is exactly what the calls use; ``in_place``
    lists the inputs whose very bytes the output may overwrite; ``alias`` says that the output is the input's bytes,
    so that the calls are left out unless it needs bytes of its own; ``encoding`` describes the weights for reports
    (``dense``, ``sparse 2x4``, ...).
    """

    kernel: str
    sources: tuple[str, ...]
    calls: tuple[Call, ...]
    scratch_bytes: int = 0
    in_place: tuple[int, ...] = ()
    alias: bool = False
    encoding: str = ""

    @property
    def constants(self) -> dict[str, Constant]:
        """Constants of all calls, keyed by call number and member."""
        return {
            f"{i}.{name}": value
            for i, call in enumerate(self.calls)
            for name, value in call.fields.items()
            if isinstance(value, Constant)
        }

    @property
    def constant_bytes(self) -> int:
        """Bytes of flash that the constants take, parameters apart."""
        return sum(constant.nbytes for constant in self.constants.values())


Pack: TypeAlias = Callable[[Op, Mapping[str, Tensor], int], list[Implementation]]
"""(operator, tensors by name, scratch limit in bytes) -> every way this kernel can run it, best first; [] if none."""


@dataclass(frozen=True)
class Kernel:
    """A kernel: the operators it may serve, and how it packs them."""

    name: str
    operators: tuple[type[Op], ...]
    pack: Pack = field(repr=False)
