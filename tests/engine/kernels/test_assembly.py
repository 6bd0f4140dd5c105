# SPDX-License-Identifier: Apache-2.0
"""The assembly of the kernels, run on the simulated microcontroller, against the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.engine.kernels import random_ops as make
from tests.engine.kernels.harness import random_int8
from tests.engine.kernels.test_kernels import CONVOLUTIONS, DEPTHWISE, OTHERS
from tinyformer.engine.packing import KERNEL_FILES, KERNEL_INCLUDES, Call, Constant, Implementation, implementations
from tinyformer.ir import reference
from tinyformer.mcu.simulator import Simulator
from tinyformer.mcu.target import load_mcu
from tinyformer.mcu.toolchain import link_firmware

SAME = {"kernel": (3, 3), "padding": (1, 1, 1, 1)}
LARGER = {
    "passes": lambda rng: make.conv(rng, (2, 3, 600), 7),
    "passes, sparse": lambda rng: make.conv(rng, (2, 3, 600), 22, sparsity=0.4),
    "passes, 4 x 4": lambda rng: make.conv(rng, (2, 2, 600), 22, sparsity=0.6, block=(4, 4)),
    "one full pass": lambda rng: make.conv(rng, (2, 2, 132), 4, sparsity=0.1),
    "hardly anything": lambda rng: make.conv(rng, (3, 3, 24), 30, sparsity=0.95, **SAME),
    "depthwise groups": lambda rng: make.depthwise(rng, (9, 14, 43)),
    "depthwise bands": lambda rng: make.depthwise(rng, (30, 21, 12), stride=(2, 2)),
    "softmax, long": lambda rng: make.softmax(rng, (3, 203)),
}


def cases() -> list[tuple[make.Case, Implementation, np.random.Generator]]:
    """Every implementation of every operator of the tables, and of some larger ones."""
    table = {name: lambda rng, k=kwargs: make.conv(rng, **k, sparsity=0.5) for name, kwargs in CONVOLUTIONS.items()}
    table |= {f"dw {name}": lambda rng, k=kwargs: make.depthwise(rng, **k) for name, kwargs in DEPTHWISE.items()}
    found = []
    for name, make_case in (table | OTHERS | LARGER).items():
        for limit in (1 << 15, 3000):
            rng = np.random.default_rng([limit, *map(ord, name)])
            case = make_case(rng)
            fast = [i for i in implementations(*case, limit) if not i.alias]
            found += [(case, implementation, rng) for implementation in fast]
    return found


def c_array(name: str, values: NDArray, c_type: str, alignment: int) -> str:
    numbers = ",".join(map(str, values.reshape(-1).tolist()))
    return f"static const {c_type} {name}[] TF_ALIGNED({alignment}) = {{{numbers}}};\n"


def c_call(name: str, call: Call) -> tuple[str, str]:
    """Declarations and statement of one kernel call on buffers x0, x1, ..."""
    declarations, members = "", []
    for i, (path, value) in enumerate(call.fields.items()):
        if isinstance(value, Constant):
            declarations += c_array(f"{name}_{i}", value.values, value.c_type, value.alignment)
            members.append(f".{path} = {name}_{i}")
        elif isinstance(value, tuple):
            members.append(f".{path} = {{{', '.join(map(str, value))}}}")
        else:
            members.append(f".{path} = {value}")
    declarations += f"static const {call.struct} {name} = {{{', '.join(members)}}};\n"
    inputs = ", ".join(f"x{i}" for i in call.inputs)
    return declarations, f"  TF({call.function})(&{name}, {inputs}, y, scratch);\n"


def test_assembly_computes_what_the_reference_does(tmp_path: Path) -> None:
    declarations = '#include "tf_kernels.h"\n#include "semihost.h"\n#include <string.h>\n'
    body, expected, names = "", [], []
    sources: set[str] = set()
    input_bytes, output_bytes, scratch_bytes = [1] * 3, 1, 8
    for n, ((op, tensors), implementation, rng) in enumerate(cases()):
        inputs = [random_int8(rng, tensors[name].shape) for name in op.inputs]
        y = reference.execute_op(op, [x[None] for x in inputs], tensors[op.output])[0]
        for i, x in enumerate(inputs):
            declarations += c_array(f"input{n}_{i}", x, "int8_t", 1)
            body += f"  memcpy(x{i}, input{n}_{i}, {x.size});\n"
            input_bytes[i] = max(input_bytes[i], x.size)
        for c, call in enumerate(implementation.calls):
            more, statement = c_call(f"p{n}_{c}", call)
            declarations += more
            body += statement
        body += f"  semihost_write(y, {y.size});\n"
        sources |= set(implementation.sources)
        expected.append(y.reshape(-1))
        names.append(f"{n}: {op} by {implementation.kernel} {implementation.encoding}")
        output_bytes = max(output_bytes, y.size)
        scratch_bytes = max(scratch_bytes, implementation.scratch_bytes)
    for i, size in enumerate(input_bytes):
        declarations += f"static int8_t x{i}[{size}];\n"
    declarations += f"static int8_t y[{output_bytes}];\n"
    declarations += f'static uint64_t scratch[{-(-scratch_bytes // 8)}] __attribute__((section(".dtcm")));\n'
    program = tmp_path / "main.c"
    program.write_text(f"{declarations}int main(void) {{\n{body}  return 0;\n}}\n")
    mcu = load_mcu("stm32f746")
    files = [program, *(KERNEL_FILES[source] for source in sorted(sources))]
    image = link_firmware(files, KERNEL_INCLUDES, mcu, tmp_path / "kernels.elf")
    result = Simulator(mcu, "functional").run(image)
    assert result.ok, result.fault
    whole = np.frombuffer(result.stdout, np.int8)
    assert whole.size == sum(y.size for y in expected)
    for actual, y, name in zip(
        np.split(whole, np.cumsum([y.size for y in expected])[:-1]), expected, names, strict=True
    ):
        np.testing.assert_array_equal(actual, y, err_msg=name)
