# SPDX-License-Identifier: Apache-2.0
"""Verification of a compiled package: its source's runtime, the NumPy reference, the C here and on the simulated chip.

The last three must agree to the bit. Against the runtime they deviate: where it computes in real numbers, where it
rounds between operators that are one here, and where it rounds twice what is rounded once here; each of them is worth
one step, which later layers may carry on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyformer.config.mcu import McuConfig
from tinyformer.engine.run.firmware import build_firmware, run_firmware
from tinyformer.engine.run.host import HostModel
from tinyformer.errors import TinyFormerError
from tinyformer.ir import graph as ir
from tinyformer.ir.graph import Graph, Int8Array
from tinyformer.ir.reference import execute_all
from tinyformer.verification.runtimes import (
    Runtime,
    as_source_type,
    in_steps,
    open_runtime,
    other_runtime,
    source_inputs,
)

_SMOOTHING = 3
"""Cells over which the smooth inputs are averaged, on each axis."""


@dataclass(frozen=True)
class Deviation:
    """How far a tensor is from the source's, in steps (LSB) of the tensor."""

    name: str
    most: float
    mean: float
    same_largest: float
    """Share of the inputs for which the same element is the largest."""

    @staticmethod
    def of(name: str, mine: NDArray[np.int8], theirs: NDArray[np.float64]) -> Deviation:
        """``mine`` and ``theirs`` are (N, size)."""
        distance = np.abs(mine - theirs)
        best = np.take_along_axis(theirs, mine.argmax(axis=1)[:, None], axis=1)[:, 0]
        same = np.mean(best >= theirs.max(axis=1))
        return Deviation(name, float(distance.max()), float(distance.mean()), float(same))


@dataclass(frozen=True)
class LayerAlone:
    """A layer that is given what the source gives it: how far its own result is from the source's."""

    deviation: Deviation
    operators: int
    """Of the graph, that the source's tensors before and behind it enclose; each may round once."""

    @property
    def is_explained(self) -> bool:
        """Whether it is off by no more than its roundings."""
        return self.deviation.most <= self.operators


@dataclass(frozen=True)
class Verification:
    """What was compared, and how it came out."""

    runtime: str
    images: int
    firmware_images: int
    outputs: tuple[Deviation, ...]
    layers: tuple[Deviation, ...]
    bound: Bound
    alone: tuple[LayerAlone, ...] = ()
    """Looked at with ``layers``, and where an output is beyond the bound."""

    def check(self) -> None:
        """Raise :class:`TinyFormerError` if an output deviates by more than the bound, and not because layers amplify
        what single steps before them change (a division by small numbers, for one)."""
        for output in self.outputs:
            if not self.bound.is_exceeded_by(output):
                continue
            strange = [layer.deviation for layer in self.alone if not layer.is_explained]
            if strange or not self.alone:
                where = f" {strange[0].name!r} is the first layer that differs by itself." if strange else ""
                raise TinyFormerError(
                    f"Output {output.name!r} deviates from {self.runtime} by up to {output.most:g} steps "
                    f"({output.mean:.3f} on average), more than the {self.bound.most:g} ({self.bound.mean:g}) that "
                    f"rounding explains.{where} Compile with --verify layers to see where, and report the model."
                )


@dataclass(frozen=True)
class Bound:
    """The deviation that rounding explains, in steps."""

    most: float
    mean: float = 1.0

    def is_exceeded_by(self, output: Deviation) -> bool:
        """Whether ``output`` is farther off."""
        return output.most > self.most or output.mean > self.mean

    @staticmethod
    def of(graph: Graph) -> Bound:
        """One step, one for each pair of layers that follow, and never less than two."""
        layers = sum(not isinstance(op, _MOVES) for op in graph.ops)
        return Bound(float(max(2, 1 + layers // 2)))


_MOVES = (ir.Concat, ir.Constant, ir.MaxPool2D, ir.Pad, ir.Rearrange, ir.Reshape, ir.Slice, ir.Transpose)


def random_inputs(graph: Graph, count: int, seed: int = 0) -> Int8Array:
    """(2 * count, *shape): noise over the whole range, then as many smooth ones around zero, as real inputs are."""
    rng = np.random.default_rng(seed)
    tensor = graph.tensors[graph.input]
    noise = rng.integers(-128, 128, (count, *tensor.shape))
    smooth = rng.normal(size=(count, *tensor.shape))
    for axis in range(1, smooth.ndim):
        smooth = sum(np.roll(smooth, shift, axis) for shift in range(_SMOOTHING)) / np.sqrt(_SMOOTHING)
    values = np.concatenate([noise, np.rint(smooth * 40) + tensor.zero_point])
    integers: Int8Array = np.clip(values, -128, 127).astype(np.int8)
    return integers


def verify(
    path: Path,
    graph: Graph,
    directory: Path,
    mcu: McuConfig | None,
    inputs: Int8Array,
    *,
    layers: bool = False,
    firmware_images: int = 1,
) -> Verification:
    """Run ``inputs`` (N, *shape) through the model file ``path``, its ``graph`` and the package in ``directory``.

    Args:
        path: the model file.
        graph: what it was imported as.
        directory: the package that it was compiled to.
        mcu: the simulated chip that runs the first ``firmware_images`` of the inputs, too; None: none does.
        inputs: INT8, at least one.
        layers: whether to compare the tensors between the layers as well.
        firmware_images: how many inputs the firmware runs.

    Raises:
        TinyFormerError: the runtime is missing, or the C differs from the NumPy reference.
    """
    values = execute_all(graph, inputs)
    mine = {name: value.reshape(len(inputs), -1) for name, value in values.items()}
    expected = [mine[name] for name in graph.outputs]
    _compare("The C code on this computer", graph, expected, HostModel(directory, optimize="-O1").run_all(inputs))
    few = 0
    if mcu is not None:
        few = min(firmware_images, len(inputs))
        with tempfile.TemporaryDirectory(prefix="tinyformer-") as scratch:
            elf = build_firmware(directory, mcu, Path(scratch) / "firmware.elf")
            run = run_firmware(elf, mcu, inputs[:few], directory=directory, mode="functional")
        _compare(f"The firmware on {mcu.name}", graph, [rows[:few] for rows in expected], run.outputs)
    bound = Bound.of(graph)
    runtime, origins, theirs = _source(path, graph, inputs, layers)
    outputs = tuple(Deviation.of(output, mine[output], _rows(theirs, output)) for output in graph.outputs)
    name = runtime.name
    if any(bound.is_exceeded_by(output) for output in outputs) and (other := other_runtime(path)) is not None:
        again = [_source_values(other, graph, x, {}) for x in inputs]
        second = tuple(Deviation.of(output, mine[output], _rows(again, output)) for output in graph.outputs)
        if not any(bound.is_exceeded_by(output) for output in second):
            outputs, name = second, f"{other.name} ({runtime.name} differ from them)"
    alone: tuple[LayerAlone, ...] = ()
    if layers or any(bound.is_exceeded_by(output) for output in outputs):
        alone = tuple(_alone(graph, inputs, theirs if layers else _source(path, graph, inputs, True)[2]))
    inner = tuple(
        Deviation.of(tensor, mine[tensor], _rows(theirs, tensor))
        for tensor in origins
        if tensor not in graph.outputs and all(tensor in row for row in theirs)
    )
    return Verification(name, len(inputs), few, outputs, inner, bound, alone)


def _source(
    path: Path, graph: Graph, inputs: Int8Array, layers: bool
) -> tuple[Runtime, dict[str, ir.Origin], list[dict[str, NDArray[np.float64]]]]:
    """The source's runtime, where the tensors between the layers come from, and all values for each input."""
    candidates = dict(_origins(graph)) if layers else {}
    runtime = open_runtime(path, [origin.name for origins in candidates.values() for origin in origins])
    known = {name: [o for o in origins if o.name in runtime.tensors] for name, origins in candidates.items()}
    origins = {name: found[0] for name, found in known.items() if found}
    return runtime, origins, [_source_values(runtime, graph, x, origins) for x in inputs]


def _alone(graph: Graph, inputs: Int8Array, theirs: Sequence[dict[str, NDArray[np.float64]]]) -> Iterator[LayerAlone]:
    """Each layer on the source's values; layers whose input the source does not show go with those before them."""
    values, operators = {graph.input: inputs}, {graph.input: 0}
    for op in graph.ops:
        tensor = graph.tensors[op.output]
        own = op.execute([values[name] for name in op.inputs], tensor).reshape(-1, *tensor.shape)
        values[op.output] = np.broadcast_to(own, (len(inputs), *tensor.shape))  # a constant is computed once
        rounds = not isinstance(op, _MOVES)
        operators[op.output] = rounds + max((operators[name] for name in op.inputs), default=0)
        if all(op.output in row for row in theirs):
            source = _rows(theirs, op.output)
            mine = values[op.output].reshape(len(inputs), -1)
            yield LayerAlone(Deviation.of(op.output, mine, source), operators[op.output])
            values[op.output] = source.astype(np.int8).reshape(len(inputs), *tensor.shape)
            operators[op.output] = 0


def _rows(values: Sequence[dict[str, NDArray[np.float64]]], name: str) -> NDArray[np.float64]:
    return np.stack([row[name] for row in values])


def _compare(what: str, graph: Graph, expected: Sequence[Int8Array], found: Sequence[Int8Array]) -> None:
    for name, rows, other in zip(graph.outputs, expected, found, strict=True):
        wrong = int(np.count_nonzero(rows != other.reshape(len(rows), -1)))
        if wrong:
            raise TinyFormerError(
                f"{what} differs from the reference in {wrong} of {rows.size} values of {name!r}: report the model."
            )


def _origins(graph: Graph) -> Iterator[tuple[str, tuple[ir.Origin, ...]]]:
    """The tensors between layers, in the order in which they are made."""
    for op in graph.ops:
        if op.output in graph.origins and not isinstance(op, ir.Reshape):
            yield op.output, graph.origins[op.output]


def _source_values(
    runtime: Runtime, graph: Graph, x: Int8Array, origins: dict[str, ir.Origin]
) -> dict[str, NDArray[np.float64]]:
    """Outputs and inner tensors of the source for one input, in the order and the steps of the graph."""
    tensor = graph.tensors[graph.input]
    fed = as_source_type(source_inputs(graph, x), runtime.types[0], tensor.scale, tensor.zero_point)
    outputs, inner = runtime.run([fed])
    found = {}
    for name, values in zip(graph.outputs, outputs, strict=True):
        axes, one = graph.axes.get(name), values[:1] if values.size != graph.tensors[name].size else values
        ordered = one.transpose(axes) if axes is not None and len(axes) == one.ndim else one
        found[name] = in_steps(ordered, graph.tensors[name]).reshape(-1)
    for name, origin in origins.items():
        theirs = inner[origin.name]
        if theirs.size == origin.positions.size:
            steps = np.empty(theirs.size)
            steps[origin.positions.reshape(-1)] = in_steps(theirs, graph.tensors[name]).reshape(-1)
            found[name] = steps
    return found
