# SPDX-License-Identifier: Apache-2.0
"""C and C++ for the host and for Cortex-M with the compiler of the ``ziglang`` wheel.

Every result is cached by the content of its inputs (`tinyformer.mcu.cache`), so that compiling the same sources again,
in this or another process, is a copy of a file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError
from tinyformer.mcu.cache import build_once, cache_directory, content_key, copy_into_place
from tinyformer.mcu.linker_script import LinkRegion, linker_script

RUNTIME = Path(__file__).parent / "runtime"
RUNTIME_INCLUDE = RUNTIME / "include"

_OVERFLOW = re.compile(r"section '(\S+)' will not fit in region '(\w+)': overflowed by (\d+) bytes")
_WARNINGS = ("-Wall", "-Wextra")


def compile_host_library(
    sources: Sequence[Path],
    include_dirs: Sequence[Path],
    output: Path,
    sanitize: str = "",
    *,
    defines: Sequence[str] = (),
    optimize: str = "-O2",
) -> Path:
    """Compile C sources to a shared library of the host.

    Args:
        sources: C files; headers beside them and under ``include_dirs`` count as inputs.
        output: path of the library that is written.
        sanitize: ``""`` or ``"undefined"``: undefined behaviour then stops the process (SIGILL).
        defines: preprocessor definitions, ``NAME`` or ``NAME=VALUE``.
        optimize: optimisation level.

    Raises:
        TinyFormerError: the compiler is missing or rejects the sources.
    """
    if "address" in sanitize:
        raise TinyFormerError("AddressSanitizer needs an executable: use compile_host_executable.")
    flags = ["-std=c99", *_WARNINGS, optimize, "-fPIC", "-shared", *_sanitizer_flags(sanitize)]
    return _build([*_zig(), "cc"], flags, sources, include_dirs, defines=defines, output=output)


def compile_host_executable(
    sources: Sequence[Path],
    include_dirs: Sequence[Path],
    output: Path,
    sanitize: str = "",
    *,
    defines: Sequence[str] = (),
    optimize: str = "-O2",
) -> Path:
    """Compile C sources to an executable of the host.

    Args:
        sources: C files, or object files of `compile_host_objects`.
        sanitize: comma-separated of ``address`` and ``undefined``. AddressSanitizer's run-time library is not in the
            ``ziglang`` wheel, so ``address`` takes the system's clang or gcc (see `address_sanitizer_compiler`).

    The other arguments are those of `compile_host_library`.

    Raises:
        TinyFormerError: the compiler is missing or rejects the sources.
    """
    compiler, flags = _host_compiler(sanitize, optimize)
    return _build(compiler, flags, sources, include_dirs, defines=defines, output=output)


def compile_host_objects(
    sources: Sequence[Path],
    include_dirs: Sequence[Path],
    sanitize: str = "",
    *,
    defines: Sequence[str] = (),
    optimize: str = "-O2",
) -> dict[str, Path]:
    """Compile each C source to an object file of its own in the cache, for programs that share most of their sources.

    The arguments are those of `compile_host_executable`. Returns the object files by the name of the source.

    Raises:
        TinyFormerError: the compiler is missing or rejects a source.
    """
    compiler, flags = _host_compiler(sanitize, optimize)
    flags += [f"-D{name}" for name in defines]

    def compile_one(source: Path) -> Path:
        includes = [f"-I{directory}" for directory in include_dirs]
        command = [*compiler, *flags, f"-ffile-prefix-map={source.parent}/=", *includes, "-c", str(source)]
        key = content_key([*_compiler_identity(compiler), *flags, "-c"], [source], include_dirs)
        return build_once(key, ".o", lambda partial: _run([*command, "-o", str(partial)]))

    return {source.name: compile_one(source) for source in sources}


def _host_compiler(sanitize: str, optimize: str) -> tuple[list[str], list[str]]:
    """Command and flags for programs of the host."""
    if "address" not in sanitize:
        return [*_zig(), "cc"], ["-std=c99", *_WARNINGS, optimize, *_sanitizer_flags(sanitize)]
    system = address_sanitizer_compiler()
    if system is None:
        raise TinyFormerError("AddressSanitizer needs clang or gcc on the PATH: install one, or drop 'address'.")
    return [system], [
        *("-std=c99", *_WARNINGS, optimize, "-g"),
        *(f"-fsanitize={sanitize}", "-fno-sanitize-recover=all"),
    ]


def address_sanitizer_compiler() -> str | None:
    """A system compiler whose AddressSanitizer links and runs, or None."""
    return next((path for name in ("clang", "gcc") if (path := shutil.which(name)) and _has_asan(path)), None)


def link_firmware(
    sources: Sequence[Path],
    include_dirs: Sequence[Path],
    mcu: McuConfig,
    output: Path,
    defines: Sequence[str] = (),
    *,
    optimize: str = "-O2",
    stack_bytes: int = 8192,
    arena: LinkRegion | None = None,
) -> Path:
    """Compile and link a bare-metal firmware (ELF) with TinyFormer's start-up code and run-time library.

    Args:
        sources: C (``.c``) and assembly (``.S``) files that define ``main``; they may include ``runtime.h``,
            ``semihost.h``, ``string.h`` and ``arm_acle.h``.
        include_dirs: searched for headers.
        mcu: the target; decides processor, memory layout and start-up.
        output: path of the ELF file that is written.
        defines: preprocessor definitions, ``NAME`` or ``NAME=VALUE``.
        optimize: optimisation level.
        stack_bytes: size of the stack, at the start of DTCM (of SRAM where there is none).
        arena: memory set aside for the section ``.bss.arena``, if any.

    Raises:
        TinyFormerError: a memory overflows (by how much is said), or the compiler rejects the sources.
    """
    script = _linker_script_file(linker_script(mcu, stack_bytes, arena))
    caches = int(mcu.instruction_cache is not None and mcu.data_cache is not None)
    flags = [*_firmware_flags(mcu), optimize, f"-DTINYFORMER_HAS_CACHES={caches}"]
    if mcu.flash_accelerator and (control := mcu.flash_accelerator.control):
        flags.append(f"-DTINYFORMER_FLASH_CONTROL={control.address:#x}u")
        flags.append(f"-DTINYFORMER_FLASH_ENABLE={control.enable:#x}u")
    link_flags = ["-Wl,--gc-sections", "-Wl,--build-id=none", "-T", str(script)]
    libraries = [str(_memory_functions(mcu)), str(_compiler_runtime(mcu))]
    runtime = sorted(path for path in RUNTIME.glob("*.c") if path.name != "memory.c")
    return _build(
        [*_zig(), "cc"],
        [*flags, *link_flags, *libraries],
        [*sources, *runtime],
        [*include_dirs, RUNTIME_INCLUDE],
        defines=defines,
        output=output,
    )


def compile_host_cpp_library(
    sources: Sequence[Path],
    include_dirs: Sequence[Path],
    *,
    key_words: Sequence[str],
    link_arguments: Sequence[str],
) -> Path:
    """Compile C++17 sources to a shared library in the build cache and return its path.

    Args:
        key_words: what else decides the result, such as versions of the libraries linked against.
        link_arguments: libraries and linker options.
    """
    flags = ["-std=c++17", *_WARNINGS, "-O3", "-fno-sanitize=all", "-fPIC", "-shared"]
    key = content_key([*_compiler_identity([*_zig(), "c++"]), *flags, *key_words], sources, ())
    command = [*_zig(), "c++", *flags, *(f"-I{path}" for path in include_dirs), *map(str, sources), *link_arguments]
    return build_once(key, ".so", lambda partial: _run([*command, "-o", str(partial)]))


def _firmware_flags(mcu: McuConfig) -> list[str]:
    return [
        *("-target", "thumb-freestanding-eabihf", f"-mcpu={mcu.cpu}", "-nostdlib", "-fno-sanitize=all"),
        *("-std=gnu99", *_WARNINGS, "-g", "-ffunction-sections", "-fdata-sections", "-fno-stack-protector"),
        *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-fdebug-compilation-dir=."),
    ]


_PLACE_OF_HEADERS = "-ffile-prefix-map={}=zig"
"""Debug information does not say where the compiler lies: the same firmware is the same bytes on every machine."""


def _places_of_headers() -> list[str]:
    """Flags that hide the compiler's directory, which zig names from the working directory where it lies below it."""
    places = [_zig_library()]
    if places[0].is_relative_to(Path.cwd()):
        places.append(places[0].relative_to(Path.cwd()))
    return [_PLACE_OF_HEADERS.format(place) for place in places]


def _memory_functions(mcu: McuConfig) -> Path:
    """Object file of mem*: apart from the rest, for it alone is compiled without builtins."""
    source = RUNTIME / "memory.c"
    flags = [*_firmware_flags(mcu), "-O2", "-fno-builtin", "-c", f"-ffile-prefix-map={RUNTIME}=runtime"]
    key = content_key([*_compiler_identity([*_zig(), "cc"]), mcu.cpu, *flags[:-1], _PLACE_OF_HEADERS], [source], ())
    flags += _places_of_headers()
    return build_once(key, ".o", lambda partial: _run([*_zig(), "cc", *flags, str(source), "-o", str(partial)]))


def _compiler_runtime(mcu: McuConfig) -> Path:
    """Archive of the helpers that compilers call (64-bit division, double precision), stripped of debug information."""
    command = [*_zig(), "build-lib", str(_zig_library() / "compiler_rt.zig"), "--name", "compiler_rt"]
    flags = ["-target", "thumb-freestanding-eabihf", f"-mcpu={mcu.cpu}", "-O", "ReleaseFast", "-fstrip"]
    flags += ["-ffunction-sections", "-fdata-sections"]
    key = content_key([*_compiler_identity([*_zig(), "build-lib"]), *flags], (), ())
    return build_once(key, ".a", lambda partial: _run([*command, *flags, f"-femit-bin={partial}"]))


def _linker_script_file(text: str) -> Path:
    def write(partial: Path) -> None:
        partial.write_text(text, encoding="utf-8")

    return build_once(content_key([text], (), ()), ".ld", write)


def _build(
    compiler: Sequence[str],
    flags: Sequence[str],
    sources: Sequence[Path],
    include_dirs: Sequence[Path],
    *,
    defines: Sequence[str],
    output: Path,
) -> Path:
    """Compile and link in one command, by way of the cache; debug information names files without their directory."""
    missing = [str(path) for path in sources if not Path(path).is_file()]
    if missing:
        raise TinyFormerError(f"Source files are missing: {', '.join(missing)}.")
    flags = [*flags, *(f"-D{name}" for name in defines)]
    directories = dict.fromkeys([*(Path(path).parent for path in sources), *map(Path, include_dirs)])
    prefix_maps = [*_places_of_headers(), *(f"-ffile-prefix-map={path}/=" for path in directories)]
    includes = [f"-I{directory}" for directory in include_dirs]
    words = [*_compiler_identity(compiler), *flags, _PLACE_OF_HEADERS]
    key = content_key(words, [Path(path) for path in sources], directories)
    command = [*compiler, *flags, *prefix_maps, *includes, *map(str, sources)]
    return copy_into_place(build_once(key, ".out", lambda partial: _run([*command, "-o", str(partial)])), output)


def _sanitizer_flags(sanitize: str) -> list[str]:
    if "undefined" in sanitize:
        return ["-fsanitize=undefined", "-fsanitize-trap=undefined"]
    return ["-fno-sanitize=all"]


@lru_cache
def _has_asan(compiler: str) -> bool:
    """Compile and run an empty program: some installations have the flag but not the library."""

    def build(partial: Path) -> None:
        source = partial.with_suffix(".c")
        source.write_text("int main(void) { return 0; }\n", encoding="utf-8")
        _run([compiler, "-fsanitize=address", str(source), "-o", str(partial)])

    try:
        program = build_once(content_key([*_compiler_identity([compiler]), "asan-probe"], (), ()), ".out", build)
        return subprocess.run([str(program)], capture_output=True, check=False, timeout=60).returncode == 0
    except TinyFormerError:
        return False


@lru_cache
def _zig_version() -> str:
    try:
        return metadata.version("ziglang")
    except metadata.PackageNotFoundError as error:
        raise TinyFormerError("The C compiler is missing: install it with 'pip install ziglang'.") from error


def _zig_library() -> Path:
    specification = find_spec("ziglang")
    if specification is None or specification.origin is None:
        raise TinyFormerError("The C compiler is missing: install it with 'pip install ziglang'.")
    return Path(specification.origin).parent / "lib"


def _zig() -> list[str]:
    _zig_version()
    return [sys.executable, "-m", "ziglang"]


def _compiler_identity(compiler: Sequence[str]) -> list[str]:
    """What distinguishes one compiler from another in a cache key."""
    if "ziglang" in compiler:
        return ["ziglang", _zig_version(), compiler[-1]]
    return [_system_compiler_version(compiler[0])]


@lru_cache
def _system_compiler_version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def _run(command: Sequence[str]) -> None:
    """Run a compiler; what it complains about becomes the message of a TinyFormerError."""
    zig_cache = str(cache_directory() / "zig")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": zig_cache, "ZIG_LOCAL_CACHE_DIR": zig_cache}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if result.returncode != 0:
        raise TinyFormerError(_explain(result.stderr))


def _explain(complaint: str) -> str:
    """One sentence for the usual linker errors, the compiler's own first lines for the others."""
    overflows: dict[str, int] = {}
    for _, region, excess in _OVERFLOW.findall(complaint):
        overflows[region] = max(int(excess), overflows.get(region, 0))
    if overflows:
        parts = ", ".join(f"{region} overflows by {excess:,} bytes" for region, excess in sorted(overflows.items()))
        return f"The firmware does not fit the microcontroller: {parts}."
    undefined = sorted(set(re.findall(r"undefined symbol: (\S+)", complaint)))
    if undefined:
        return f"The linker misses the definition of: {', '.join(undefined)}."
    lines = [line for line in complaint.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line] or lines
    return "The C compiler failed: " + "\n".join(errors[:8])
