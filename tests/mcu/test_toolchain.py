# SPDX-License-Identifier: Apache-2.0
"""Compilers: caching, sanitizers, error messages, reproducible output."""

from __future__ import annotations

import ctypes
import subprocess
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError
from tinyformer.mcu import toolchain
from tinyformer.mcu.cache import build_once, content_key
from tinyformer.mcu.linker_script import sram_runs
from tinyformer.mcu.target import load_mcu
from tinyformer.mcu.toolchain import (
    compile_host_executable,
    compile_host_library,
    compile_host_objects,
    link_firmware,
)

# Argument count 1, so that no compiler knows it.
OUT_OF_BOUNDS = "static int a[2], b[2]; int main(int n, char **v) { (void)v; a[n + 1] = 1; return b[n] & 0; }\n"
SHIFT_TOO_FAR = "int main(int n, char **v) { (void)v; volatile int x = 1 << (n + 31); return x & 0; }\n"


def write(directory: Path, text: str, name: str = "source.c") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def test_library_runs_and_sees_changed_headers(tmp_path: Path) -> None:
    header = write(tmp_path, "#define VALUE 1\n", "value.h")
    source = write(tmp_path, '#include "value.h"\nint value(void) { return VALUE + MORE; }\n')
    library = compile_host_library([source], [tmp_path], tmp_path / "one.so", defines=["MORE=10"])
    assert ctypes.CDLL(str(library)).value() == 11
    header.write_text("#define VALUE 2\n", encoding="utf-8")
    library = compile_host_library([source], [tmp_path], tmp_path / "two.so", defines=["MORE=10"])
    assert ctypes.CDLL(str(library)).value() == 12


def test_compiling_again_runs_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, "int main(void) { return 7; }\n")
    compile_host_executable([source], [], tmp_path / "first")
    monkeypatch.setattr(toolchain, "_run", lambda command: pytest.fail(f"compiler started: {command}"))
    again = compile_host_executable([source], [], tmp_path / "second")
    assert subprocess.run([again], check=False).returncode == 7


@pytest.mark.parametrize(("program", "sanitize"), [(SHIFT_TOO_FAR, "undefined"), (OUT_OF_BOUNDS, "address,undefined")])
def test_sanitizers_stop_wrong_programs(program: str, sanitize: str, tmp_path: Path) -> None:
    if "address" in sanitize and toolchain.address_sanitizer_compiler() is None:
        pytest.skip("no compiler with AddressSanitizer")
    source = write(tmp_path, program)
    without = compile_host_executable([source], [], tmp_path / "without")
    checked = compile_host_executable([source], [], tmp_path / "checked", sanitize)
    assert subprocess.run([without], check=False, capture_output=True).returncode == 0
    assert subprocess.run([checked], check=False, capture_output=True).returncode != 0


def test_objects_are_shared_by_programs_and_checked_like_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shift = write(tmp_path / "shared", "int SHIFT(int n) { return 1 << n; }\n", "shift.c")
    main = write(tmp_path, "int shift(int); int main(int n, char **v) { (void)v; return shift(n + 31) & 0; }\n")
    for sanitize, stopped in (("", False), ("undefined", True)):
        objects = compile_host_objects([shift], [], sanitize, defines=["SHIFT=shift"])
        assert list(objects) == ["shift.c"]
        program = compile_host_executable([main, *objects.values()], [], tmp_path / f"program{sanitize}", sanitize)
        assert (subprocess.run([program], check=False, capture_output=True).returncode != 0) == stopped
    monkeypatch.setattr(toolchain, "_run", lambda command: pytest.fail(f"compiler started: {command}"))
    assert compile_host_objects([shift], [], "undefined", defines=["SHIFT=shift"]) == objects


def test_overflowing_memories_are_counted(tmp_path: Path) -> None:
    mcu = load_mcu("stm32f746")
    source = write(
        tmp_path,
        "static volatile char ram[300000];\nstatic const volatile char rom[1200000] = {1};\n"
        "int main(void) { return ram[5] + rom[7]; }\n",
    )
    with pytest.raises(
        TinyFormerError, match=r"does not fit.*FLASH overflows by [\d,]+ bytes, RAM overflows by [\d,]+"
    ):
        link_firmware([source], [], mcu, tmp_path / "large.elf")
    assert not (tmp_path / "large.elf").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("int other(void);\nint main(void) { return other(); }\n", "misses the definition of: other"),
        ("int main(void) { return 1 +; }\n", r"source.c:1:\d+: error"),
    ],
)
def test_wrong_sources_are_explained(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(TinyFormerError, match=message):
        link_firmware([write(tmp_path, text)], [], load_mcu("stm32f746"), tmp_path / "wrong.elf")


def test_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(TinyFormerError, match=r"absent\.c"):
        compile_host_library([tmp_path / "absent.c"], [], tmp_path / "library.so")


def test_firmware_does_not_depend_on_the_directory(tmp_path: Path) -> None:
    images = []
    for name in ("here", "there"):
        source = write(tmp_path / name, "int main(void) { volatile int x = 9; return x / 3; }\n")
        image = tmp_path / f"{name}.elf"
        # The definition keeps the second from being taken out of the cache.
        link_firmware([source], [], load_mcu("stm32f746"), image, defines=[f"UNUSED_{name}"])
        images.append(image.read_bytes())
    assert images[0] == images[1]
    assert str(tmp_path).encode() not in images[0]


def test_firmware_does_not_say_where_the_compiler_lies(tmp_path: Path) -> None:
    source = write(tmp_path, "#include <stdint.h>\nint main(void) { return (int)(uint8_t)300; }\n")
    firmware = link_firmware([source], [], load_mcu("stm32f746"), tmp_path / "firmware.elf")
    assert b"site-packages" not in firmware.read_bytes()


def _count_builds(arguments: tuple[str, Path]) -> str:
    key, log = arguments

    def build(partial: Path) -> None:
        with log.open("a", encoding="utf-8") as stream:
            stream.write("built\n")
        partial.write_text("content", encoding="utf-8")

    return build_once(key, ".txt", build).read_text(encoding="utf-8")


def test_concurrent_processes_build_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYFORMER_CACHE_DIR", str(tmp_path / "cache"))
    key = content_key(["a test"], (), ())
    with ProcessPoolExecutor(4) as pool:
        contents = list(pool.map(_count_builds, [(key, tmp_path / "log")] * 8))
    assert contents == ["content"] * 8
    assert (tmp_path / "log").read_text(encoding="utf-8") == "built\n"


def test_failed_builds_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYFORMER_CACHE_DIR", str(tmp_path / "cache"))

    def fail(partial: Path) -> None:
        partial.write_text("half", encoding="utf-8")
        raise TinyFormerError("no")

    with pytest.raises(TinyFormerError):
        build_once("0123", ".txt", fail)
    assert build_once("0123", ".txt", lambda partial: partial.touch()).read_bytes() == b""


def test_unusable_cache_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = write(tmp_path, "a file, not a directory", "blocked")
    monkeypatch.setenv("TINYFORMER_CACHE_DIR", str(blocked / "cache"))
    with pytest.raises(TinyFormerError, match="TINYFORMER_CACHE_DIR"):
        content = write(tmp_path, "int main(void) { return 0; }\n")
        compile_host_executable([content], [], tmp_path / "program")


@pytest.mark.parametrize(
    ("name", "start", "size"),
    [
        ("stm32f746", 0x20010000, 256 * 1024),
        ("stm32h743", 0x24000000, 512 * 1024),
        ("stm32l4r5", 0x20000000, 640 * 1024),
    ],
)
def test_data_goes_to_the_largest_run_of_sram(name: str, start: int, size: int) -> None:
    mcu: McuConfig = load_mcu(name)
    assert (sram_runs(mcu)[0].start, sram_runs(mcu)[0].bytes) == (start, size)
