# SPDX-License-Identifier: Apache-2.0
"""Runs kernels of the C library on the host, and guards every buffer they touch.

The parameter structs are read from ``tf_kernels.h``, so that what is tested is the header's layout and the packing's
field names. Every buffer ends right before an inaccessible page: a kernel that reads or writes past an end crashes.
"""

from __future__ import annotations

import ctypes
import mmap
import re
from collections.abc import Mapping
from functools import lru_cache, reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyformer.engine.packing import KERNEL_FILES, KERNEL_INCLUDES, Call, Constant, Implementation, implementations
from tinyformer.ir import reference
from tinyformer.ir.graph import Op, Tensor
from tinyformer.mcu.toolchain import compile_host_library

_C_TYPES = {
    f"{sign}int{bits}_t": getattr(ctypes, f"c_{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)
}
_PROT_NONE = 0
_libc = ctypes.CDLL(None, use_errno=True)


class Guarded:
    """``nbytes`` of memory in front of an inaccessible page, at a multiple of ``alignment``."""

    def __init__(self, nbytes: int, alignment: int = 1) -> None:
        page = mmap.PAGESIZE
        pages = -(-max(nbytes, 1) // page)
        self._map = mmap.mmap(-1, (pages + 1) * page)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        if _libc.mprotect(ctypes.c_void_p(base + pages * page), page, _PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
        offset = (pages * page - nbytes) // alignment * alignment
        self.address = base + offset
        self.bytes = np.frombuffer(self._map, np.uint8, nbytes, offset)
        self._slack = np.frombuffer(self._map, np.uint8, pages * page - nbytes, 0) if nbytes else None

    @staticmethod
    def holding(values: NDArray, alignment: int = 1) -> Guarded:
        memory = Guarded(values.nbytes, alignment)
        memory.bytes[:] = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        return memory


@lru_cache
def structs() -> dict[str, type[ctypes.Structure]]:
    """The parameter structs of the header as ctypes structures, by name."""
    text = KERNEL_FILES["tf_kernels.h"].read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found: dict[str, type[ctypes.Structure]] = {}
    for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", text, flags=re.S):
        fields = []
        for c_type, star, members in re.findall(r"(?:const )?(\w+) (\*?)([^;]+);", body):
            for member in members.split(","):
                identifier, _, extent = member.strip().partition("[")
                member_type = ctypes.c_void_p if star else (_C_TYPES | found)[c_type]
                fields.append((identifier, member_type * int(extent.rstrip("]")) if extent else member_type))
        found[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
    return found


def fill(call: Call, keep: list[object]) -> ctypes.Structure:
    """The parameters of ``call``; whatever they point to is appended to ``keep``."""
    parameters = structs()[call.struct]()
    for path, value in call.fields.items():
        *outer, name = path.split(".")
        struct = reduce(getattr, outer, parameters)
        assert name in dict(struct._fields_), f"{call.struct} has no member {path}"
        if isinstance(value, Constant):
            memory = Guarded.holding(value.values, value.alignment)
            keep.append(memory)
            setattr(struct, name, memory.address)
        elif isinstance(value, tuple):
            setattr(struct, name, (type(getattr(struct, name)))(*value))
        else:
            setattr(struct, name, value)
            assert getattr(struct, name) == value, f"{call.struct}.{path} cannot hold {value}"
    return parameters


@lru_cache
def library(directory: Path) -> ctypes.CDLL:
    """All kernels, built with the sanitizer for undefined behaviour."""
    sources = [path for path in KERNEL_FILES.values() if path.suffix == ".c"]
    built = compile_host_library(sources, KERNEL_INCLUDES, directory / "kernels.so", sanitize="undefined")
    return ctypes.CDLL(str(built))


def run(
    directory: Path, implementation: Implementation, inputs: list[NDArray[np.int8]], output: Tensor, in_place: int = -1
) -> NDArray[np.int8]:
    """Outcome of ``implementation`` on ``inputs``; ``in_place`` makes the output share that input's memory."""
    kernels = library(directory)
    memories = [Guarded.holding(x) for x in inputs]
    y = memories[in_place] if in_place >= 0 else Guarded(output.size)
    if in_place < 0:
        y.bytes[:] = 0x5A
    scratch = Guarded(implementation.scratch_bytes, 8)
    scratch.bytes[:] = 0xA5
    keep: list[object] = []
    for call in implementation.calls:
        params = fill(call, keep)
        arguments = [memories[i].address for i in call.inputs] + [y.address, scratch.address]
        getattr(kernels, f"tf_{call.function}")(ctypes.byref(params), *map(ctypes.c_void_p, arguments))
    return y.bytes.view(np.int8).reshape(output.shape).copy()


def check(
    directory: Path, op: Op, tensors: Mapping[str, Tensor], rng: np.random.Generator, scratch_limit: int = 1 << 16
) -> None:
    """Assert that every implementation of ``op`` computes what the reference does, on random and extreme inputs."""
    inputs = [random_int8(rng, tensors[name].shape) for name in op.inputs]
    output = tensors[op.output]
    expected = reference.execute_op(op, [x[None] for x in inputs], output)[0]
    for implementation in implementations(op, tensors, scratch_limit):
        assert implementation.scratch_bytes <= scratch_limit
        if implementation.alias:
            continue
        for in_place in (-1, *implementation.in_place):
            actual = run(directory, implementation, inputs, output, in_place)
            np.testing.assert_array_equal(actual, expected, err_msg=f"{implementation.kernel}, in place {in_place}")


def random_int8(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Uniform values, or (one in four) only extremes."""
    if rng.random() < 0.25:
        return rng.choice(np.array([-128, 127], np.int8), shape)
    return rng.integers(-128, 128, shape).astype(np.int8)
