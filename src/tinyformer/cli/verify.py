# SPDX-License-Identifier: Apache-2.0
"""Verification of compiled models, from the command line."""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinyformer.config.mcu import McuConfig
from tinyformer.errors import TinyFormerError
from tinyformer.ir.graph import Graph
from tinyformer.verification.runtimes import NoRuntimeError, is_installed
from tinyformer.verification.verify import Deviation, Verification, random_inputs, verify

_DEFAULT = 2
"""Noisy inputs, and as many smooth ones."""


def parse_verify(text: str | None, model: Path) -> tuple[int, bool]:
    """(inputs of each kind, whether to look between the layers) of the option ``--verify``.

    Raises:
        TinyFormerError: it is neither a number nor ``layers``.
    """
    if text is None:
        return (_DEFAULT if is_installed(model) else 0), False
    if text == "layers":
        return _DEFAULT, True
    if text.isdigit():
        return int(text), False
    raise TinyFormerError(f"--verify {text} is neither a number of inputs nor `layers`: give one of them.")


def warn_of_wide_ranges(graph: Graph, console: Console) -> None:
    """Say which tensors have a range that only weights bound."""
    if graph.wide_ranges:
        names = ", ".join(repr(name) for name in graph.wide_ranges[:3])
        more = f" and {len(graph.wide_ranges) - 3} more" if len(graph.wide_ranges) > 3 else ""
        console.print(
            escape(
                f"The model leaves {names}{more} in float: the range is what its weights allow at most, which makes "
                "coarse steps. --calibrate INPUTS.npy makes them finer."
            )
        )


def verify_package(
    path: Path,
    graph: Graph,
    directory: Path,
    mcu: McuConfig | None,
    count: int,
    layers: bool,
    console: Console,
    *,
    required: bool,
) -> Verification | None:
    """Compare the package in ``directory`` with its source and print by how much outputs (and ``layers``) deviate.

    None where the source's runtime refuses the model and the comparison is not ``required``.

    Raises:
        TinyFormerError: by more than rounding explains; or the source's runtime refuses the model although the
            comparison is ``required``.
    """
    try:
        with console.status("Verifying"):
            result = verify(path, graph, directory, mcu, random_inputs(graph, count), layers=layers)
    except NoRuntimeError as error:
        if required:
            raise
        console.print(escape(str(error)))
        return None
    alone = {layer.deviation.name: f"{layer.deviation.most:g}" for layer in result.alone}
    table = Table("Against " + result.runtime, "LSB at most", "on average", "same largest", box=SIMPLE_HEAD)
    if alone:
        table.add_column("by itself, at most")  # given what the source gives it
    for deviation in result.layers:
        table.add_row(*_row(f"  {deviation.name}", deviation), alone.get(deviation.name, ""))
    for deviation in result.outputs:
        table.add_row(*_row(deviation.name, deviation), alone.get(deviation.name, ""))
    console.print(table)
    console.print(
        f"{result.images} inputs: reference and C agree to the bit"
        + (f", the firmware on {result.firmware_images} of them, too." if result.firmware_images else ".")
    )
    result.check()
    return result


def _row(name: str, deviation: Deviation) -> tuple[str, str, str, str]:
    return escape(name), f"{deviation.most:g}", f"{deviation.mean:.3f}", f"{deviation.same_largest:.0%}"
