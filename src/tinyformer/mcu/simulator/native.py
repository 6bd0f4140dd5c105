# SPDX-License-Identifier: Apache-2.0
"""The simulator's C++ core: built on first use, loaded by ctypes."""

from __future__ import annotations

import ctypes
import platform
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from tinyformer.errors import TinyFormerError
from tinyformer.mcu.toolchain import compile_host_cpp_library

CORE = Path(__file__).parent / "core"
PACKAGES = ("unicorn", "capstone")


def _wheel_directory(package: str) -> Path:
    specification = find_spec(package)
    if specification is None or specification.origin is None:
        raise TinyFormerError(f"The simulator needs the package '{package}': install it with 'pip install {package}'.")
    return Path(specification.origin).parent


def _library(package: str) -> Path:
    directory = _wheel_directory(package) / "lib"
    found = sorted(path for path in directory.glob(f"lib{package}.*") if ".so" in path.name or ".dylib" in path.name)
    if not found:
        raise TinyFormerError(
            f"The installed '{package}' has no shared library in '{directory}': reinstall it from a wheel for "
            f"{platform.system()} {platform.machine()}."
        )
    return found[0]


def build_core() -> Path:
    """Compile the core against the unicorn and capstone wheels, or find it in the build cache.

    Raises:
        TinyFormerError: a wheel is missing, or the compiler fails.
    """
    includes = [_wheel_directory(package) / "include" for package in PACKAGES]
    libraries = [str(_library(package)) for package in PACKAGES]
    versions = [metadata.version(package) for package in PACKAGES]
    return compile_host_cpp_library(sorted(CORE.glob("*.cpp")), includes, key_words=versions, link_arguments=libraries)


@lru_cache
def load_core() -> ctypes.CDLL:
    """The core's C interface with its signatures (see ``core/c_api.cpp``)."""
    path = build_core()
    try:
        for package in PACKAGES:  # loaded first, so that the core finds them by name wherever they are installed
            ctypes.CDLL(str(_library(package)), mode=ctypes.RTLD_GLOBAL)
        core = ctypes.CDLL(str(path))
    except OSError as error:
        raise TinyFormerError(f"The simulator's core '{path}' does not load: {error}. Delete it and retry.") from error
    handle, text, size, word = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32
    signatures: dict[str, tuple[object, list[object]]] = {
        "simulator_create": (handle, [text, text, size]),
        "simulator_destroy": (None, [handle]),
        "simulator_load": (ctypes.c_int, [handle, word, text, size]),
        "simulator_add_symbol": (None, [handle, word, word, text, ctypes.c_int]),
        "simulator_watch_stack": (None, [handle, word, word]),
        "simulator_set_text": (None, [handle, ctypes.c_int, text, size]),
        "simulator_add_step": (None, [handle, text, size, text, size]),
        "simulator_attach": (None, [handle, ctypes.c_int]),
        "simulator_limit_output": (None, [handle, size]),
        "simulator_interrupt": (None, [handle]),
        "simulator_run": (ctypes.c_int, [handle, ctypes.c_uint64, text, size]),
        "simulator_report": (text, [handle]),
        "simulator_output": (ctypes.POINTER(ctypes.c_char), [handle, ctypes.POINTER(size)]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(core, name)
        function.restype, function.argtypes = result, arguments
    return core
