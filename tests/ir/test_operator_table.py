# SPDX-License-Identifier: Apache-2.0
"""The table of operators agrees with the formats, the integer graph and the documentation."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import tflite

from tinyformer.ir import support
from tinyformer.ir.lowering import LOWERINGS
from tinyformer.ir.lowering.table import OPERATORS
from tinyformer.ir.tflite_import.operators import SPECIAL, TRANSLATIONS

PAGE = Path(__file__).parents[2] / "docs" / "model_import.md"


def test_the_page_shows_the_present_table() -> None:
    page = PAGE.read_text("utf-8")
    assert page == support.with_table(page), "run: python -m tinyformer.ir.support docs/model_import.md"


@pytest.mark.parametrize("name", OPERATORS)
def test_each_operator_becomes_something(name: str) -> None:
    """An integer operator of its own, or part of a table; importers take out the others."""
    function = OPERATORS[name]
    replaced = {"Split", "Dropout", "CastLike", "QuantizeLinear"}
    assert (name in LOWERINGS or function.real is not None) != (name in replaced)
    in_onnx = onnx.defs.has(name) or "onnxruntime" in function.unquantized
    assert in_onnx or function.unquantized == "ONNX has no such operator"


def test_tflite_operators_exist_and_are_translated_once() -> None:
    named = [name for function in OPERATORS.values() for name in function.tflite]
    assert len(named) == len(set(named))
    assert set(named) == TRANSLATIONS.keys()
    assert set(named) <= vars(tflite.BuiltinOperator).keys()
    assert SPECIAL.keys() <= set(named), "a translation that no operator of the table names is never used"
