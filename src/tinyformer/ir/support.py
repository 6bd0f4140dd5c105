# SPDX-License-Identifier: Apache-2.0
"""The table of supported operators as the documentation shows it.

``python -m tinyformer.ir.support docs/model_import.md`` writes it between the two markers of that page.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tinyformer.errors import TinyFormerError
from tinyformer.ir.lowering.function import Function
from tinyformer.ir.lowering.table import OPERATORS

BEGIN = "<!-- operators: written by `python -m tinyformer.ir.support docs/model_import.md` -->"
END = "<!-- end of operators -->"


def table() -> str:
    """One line an operator: its names, what it becomes, how it is quantized and whether it can be trained so."""
    lines = [
        "| ONNX | .tflite | in the integer graph | scale of the output in `quantize` | trained under quantization |",
        "|---|---|---|---|---|",
        *(_line(function) for function in OPERATORS.values()),
    ]
    return "\n".join(lines)


def with_table(page: str) -> str:
    """``page`` with the present table between its markers. Raises :class:`TinyFormerError` if it has none."""
    if BEGIN not in page or END not in page:
        raise TinyFormerError(f"The page has no place for the table: put the lines {BEGIN!r} and {END!r} into it.")
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END, 1)[1]}"


def _line(function: Function) -> str:
    quantized = function.scale.value if function.scale is not None else f"no: {function.unquantized}"
    trained = "no" if function.unquantized else "yes"
    if function.untrained:
        trained = f"no: {function.untrained}"
    tflite = ", ".join(function.tflite)
    return f"| {function.name} | {tflite} | {function.becomes} | {quantized} | {trained} |"


def main(path: Path) -> None:
    """Bring the page at ``path`` up to date."""
    path.write_text(with_table(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
