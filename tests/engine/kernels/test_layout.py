# SPDX-License-Identifier: Apache-2.0
"""Sizes and offsets that two languages know: packing, C and assembly agree on them."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

from tests.engine.kernels.test_sources import CORTEX_M7, check
from tinyformer.engine.packing import KERNEL_FILES, KERNEL_INCLUDES
from tinyformer.engine.packing.layout import Layout
from tinyformer.mcu.toolchain import compile_host_library

HEADER = KERNEL_FILES["tf_layout.h"].read_text(encoding="utf-8")
MACROS = re.findall(r"^#define (TF_\w+)(\(\w+\))? ", HEADER, re.MULTILINE)
OFFSETS = [path for path in KERNEL_FILES.values() if path.name.endswith("_offsets.h")]
KNOWN = {
    (struct, member)
    for path in OFFSETS
    for struct, member in re.findall(r"^#define (tf_\w+)_at_(\w+) \d+$", path.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_python_reads_the_header_as_c_does(tmp_path: Path) -> None:
    bodies = [f"int get_{name}(int n) {{ (void)n; return {name}{'(n)' if call else ''}; }}" for name, call in MACROS]
    source = tmp_path / "sizes.c"
    source.write_text('#include "tf_layout.h"\n' + "\n".join(bodies) + "\n", encoding="utf-8")
    library = ctypes.CDLL(str(compile_host_library([source], KERNEL_INCLUDES, tmp_path / "sizes.so")))
    layout = Layout(HEADER)
    for name, call in MACROS:
        for size in (1, 2, 3, 5, 7, 47, 48, 49, 96, 1000) if call else (0,):
            found = layout.function(name)(size) if call else layout.number(name)
            assert found == getattr(library, f"get_{name}")(size), f"{name} of {size}"


def test_assembly_knows_where_members_are(tmp_path: Path) -> None:
    headers = {path.name for path in KERNEL_FILES.values() if path.suffix == ".h" and "_asm" not in path.name}
    included = "".join(f'#include "{name}"\n' for name in sorted(headers - {"tf_prefix.h"}))
    checks = "".join(
        f'_Static_assert(offsetof({struct}, {member}) == {struct}_at_{member}, "{struct}.{member}");\n'
        for struct, member in sorted(KNOWN)
    )
    source = tmp_path / "offsets.c"
    source.write_text(f"#include <stddef.h>\n{included}{checks}", encoding="utf-8")
    check("cc", "-std=c11", *CORTEX_M7, str(source), "-o", str(tmp_path / "offsets.o"))


def test_all_members_that_assembly_may_read_are_known() -> None:
    struct = re.compile(r"assembly knows the offsets[^/]*\*/\ntypedef struct \{(.*?)\} (\w+);", re.DOTALL)
    headers = [path.read_text(encoding="utf-8") for path in KERNEL_FILES.values() if path.suffix == ".h"]
    found = {name: body for text in headers for body, name in struct.findall(text)}
    assert set(found) == {name for name, _ in KNOWN}
    for name, body in found.items():
        declarations = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
        members = set(re.findall(r"(\w+)(?:\[[^\]]*\])?\s*[,;]", declarations))
        assert members == {member for known, member in KNOWN if known == name}
