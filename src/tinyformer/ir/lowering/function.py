# SPDX-License-Identifier: Apache-2.0
"""What one operator of source models is, in one place: the table of operators (:mod:`.table`) consists of these.

An operator goes by its ONNX name, whatever format a model comes in. Its integer form is a class of
:mod:`tinyformer.ir.operators`; kernels are :mod:`tinyformer.engine.packing`'s, training is
:mod:`tinyformer.compression.torch_graph`'s; both go by the names here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinyformer.ir.lowering.builder import Builder, Value
from tinyformer.ir.lowering.network import Node

RealFunction: TypeAlias = Callable[..., Any]
"""(array library, attributes, *inputs) -> output: one definition for tables (NumPy) and training (torch).

The library is a :data:`tinyformer.ir.lowering.arrays.NUMPY` or one with the same members.
"""

Attributes: TypeAlias = Mapping[str, Any]

Lowering: TypeAlias = Callable[[Builder, Node], Value]


class Scale(Enum):
    """How the quantizer finds the scale of an operator's output."""

    WEIGHTED = "observed; weights and bias quantized, too"
    OBSERVED = "observed"
    PROBABILITY = "1/256 from -128"
    KEPT = "that of the inputs"


@dataclass(frozen=True, eq=False)
class Case:
    """The smallest model that shows an operator: ``operands`` behind its input, and attributes.

    A tuple is a float constant of that shape, an array the constant itself, "x" the input once more, "" nothing.
    """

    operands: tuple[tuple[int, ...] | NDArray[Any] | np.float32 | str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = (1, 8, 6, 6)
    positive: bool = False
    """Whether the input and random constants are above zero."""
    outputs: int = 1


@dataclass(frozen=True, eq=False)
class Function:
    """One operator of source models. Raises ``ValueError`` for one that leaves a question open."""

    name: str
    """The ONNX operator, or what it would be called there."""
    becomes: str
    """What it is in the integer graph, for the documentation."""
    case: Case | None = None
    """For tests; None where ONNX has no such operator."""
    lower: Lowering | None = None
    """Makes integer operators of a node; None where importers or fusion replace it, or a table holds it."""
    real: RealFunction | None = None
    """The function of single numbers that an element-wise operator is: part of an island, which becomes a table."""
    attributes: tuple[str, ...] = ()
    """The attributes that its lowering reads; any other is a reason to refuse the node."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Attributes that are understood in one value only (a number: also as a list of nothing else)."""
    clamps: bool = False
    """Whether it ends in a requantization, whose clamp takes in a ReLU or Clip for free."""
    scale: Scale | None = None
    """How the quantizer treats it, unless ``unquantized``."""
    unquantized: str = ""
    """Why a float model that holds it cannot be quantized here."""
    untrained: str = ""
    """Why it cannot be trained under quantization, although it can be quantized."""
    tflite: tuple[str, ...] = ()
    """The TensorFlow Lite operators that it stands for."""

    def __post_init__(self) -> None:
        if (self.scale is None) == (not self.unquantized):
            raise ValueError(f"{self.name} must say either how it is quantized or why not")
        if self.case is None and not self.unquantized:
            raise ValueError(f"{self.name} needs a case that tests can run")
        if self.unquantized and self.untrained:
            raise ValueError(f"{self.name} cannot be trained because it cannot be quantized: one reason is enough")

    def unread(self, attributes: Mapping[str, Any]) -> list[str]:
        """The attributes of a node that would be ignored."""
        return [
            name
            for name, value in attributes.items()
            if name not in self.attributes and not (name in self.fixed and np.all(np.equal(value, self.fixed[name])))
        ]
