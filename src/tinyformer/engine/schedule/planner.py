# SPDX-License-Identifier: Apache-2.0
"""The memory planner: where every activation and every scratch buffer lies in the arena.

A *buffer* is a piece of memory with a size and a lifetime (first and last step, inclusive). Tensors become buffers
after in-place operators and reshapes have been merged (:func:`plan_memory`); two buffers may share bytes if their
lifetimes are disjoint. The problem is dynamic storage allocation (NP-hard); several greedy orders, then a bounded
improvement of the best order, reach the lower bound on nearly all networks, and every plan states its own lower
bound, so that the distance is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

ALIGNMENT = 8
"""Bytes to which every buffer, and the arena, is aligned: enough for LDRD/STRD and int64."""

_IMPROVEMENTS = 48
"""Reordered greedy placements tried when no plain order reaches the lower bound: bounds the planner's time to
milliseconds."""


def align(size: int) -> int:
    """``size`` rounded up to a multiple of :data:`ALIGNMENT`."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class Buffer:
    """``size`` bytes needed from step ``first`` to step ``last``, both included.

    ``pinned`` fixes the offset: scratch at the bottom of the arena lies in the tightly coupled memory, if the arena
    starts there.
    """

    name: str
    size: int
    first: int
    last: int
    pinned: int | None = None


@dataclass(frozen=True)
class Placement:
    """A buffer at its offset in the arena, and the tensors whose values it holds over time."""

    name: str
    offset: int
    size: int
    first: int
    last: int
    tensors: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedStep:
    """A step as the planner sees it.

    ``in_place`` names the positions of those inputs whose bytes the output may overwrite while they are read. ``view``
    says that the output *is* the first input's bytes from that offset on (a reshape, or rows of an image). ``joins``
    gives for each input its offset inside the output, if the step does nothing but put them there: an input that is
    written there to begin with needs no copy.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    scratch: int = 0
    in_place: tuple[int, ...] = ()
    view: int | None = None
    joins: tuple[int, ...] = ()


@dataclass(frozen=True)
class MemoryPlan:
    """The arena: its size, the bound it is measured against, and what lies where.

    ``tensors`` maps each tensor to its offset, ``scratch`` each step that has scratch to the offset of it,
    ``joined`` each step that joins its inputs to the positions of those that already lie inside its output. The
    network's input and output have their place too, so that a caller may read the camera straight into the arena;
    see the generated header.
    """

    arena_bytes: int
    lower_bound: int
    placements: tuple[Placement, ...]
    tensors: Mapping[str, int]
    scratch: Mapping[str, int]
    joined: Mapping[str, tuple[int, ...]]
    steps: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: the report draws the arena over time from ``placements`` and ``steps``."""
        data = asdict(self)
        data["placements"] = [asdict(placement) for placement in self.placements]
        return data


def plan_memory(
    steps: Sequence[PlannedStep],
    sizes: Mapping[str, int],
    graph_input: str,
    graph_outputs: Sequence[str],
    places_scratch: bool = True,
) -> MemoryPlan:
    """Place every tensor and every scratch buffer of ``steps`` (in execution order).

    The graph's input is never overwritten and lives until its last reader; outputs live to the end. Scratch lies at
    the bottom of the arena as far as that makes it no larger, but only all of it or none without ``places_scratch``:
    for those who want the arena's size alone, and a thousand times.
    """
    storages, joined = _merge(steps, sizes, graph_input, graph_outputs)
    buffers = [storage.buffer() for storage in storages]
    scratch = [
        Buffer(f"{step.name}:scratch", align(step.scratch), i, i, 0) for i, step in enumerate(steps) if step.scratch
    ]
    bound = lower_bound([*buffers, *scratch])
    offsets = place([*scratch, *buffers], bound)
    loose = [replace(item, pinned=None) for item in scratch]
    if _top([*scratch, *buffers], offsets) > bound:
        unpinned = place([*loose, *buffers], bound)
        smallest = _top([*loose, *buffers], unpinned)
        if smallest < _top([*scratch, *buffers], offsets):
            offsets = _pin_some(scratch, buffers, smallest, unpinned) if places_scratch else unpinned
    members = {storage.name: tuple(storage.tensors) for storage in storages}
    placements = tuple(
        Placement(item.name, offsets[item.name], item.size, item.first, item.last, members.get(item.name, ()))
        for item in sorted([*buffers, *loose], key=lambda item: (item.first, item.last, item.name))
    )
    return MemoryPlan(
        arena_bytes=_top([*buffers, *loose], offsets),
        lower_bound=bound,
        placements=placements,
        tensors={
            tensor: offsets[storage.name] + inside for storage in storages for tensor, inside in storage.tensors.items()
        },
        scratch={step.name: offsets[f"{step.name}:scratch"] for step in steps if step.scratch},
        joined=joined,
        steps=tuple(step.name for step in steps),
    )


def _pin_some(
    scratch: Sequence[Buffer], buffers: Sequence[Buffer], size: int, unpinned: Mapping[str, int]
) -> dict[str, int]:
    """Offsets in an arena of ``size`` bytes, reached by ``unpinned``, with as much scratch at its bottom as found.

    Scratch is read and written again and again, so that the largest pieces, of the layers with most work, come first.
    """
    offsets, kept = dict(unpinned), {item.name: replace(item, pinned=None) for item in scratch}
    for item in sorted(scratch, key=lambda item: (-item.size, item.first)):
        if offsets[item.name] == 0:
            kept[item.name] = item
            continue
        tried = [*({**kept, item.name: item}).values(), *buffers]
        found = place(tried, size)
        if _top(tried, found) <= size:
            offsets, kept[item.name] = found, item
    return offsets


def lower_bound(buffers: Iterable[Buffer]) -> int:
    """The largest number of bytes alive at one step: no plan can be smaller."""
    changes: dict[int, int] = {}
    for item in buffers:
        changes[item.first] = changes.get(item.first, 0) + item.size
        changes[item.last + 1] = changes.get(item.last + 1, 0) - item.size
    alive = largest = 0
    for step in sorted(changes):
        alive += changes[step]
        largest = max(largest, alive)
    return largest


def place(buffers: Sequence[Buffer], target: int = 0) -> dict[str, int]:
    """Offsets by name; pinned buffers keep theirs. Stops as soon as the arena is no larger than ``target``.

    Each order is placed first-fit. The best one is then improved by moving a buffer that ends at the top of the arena
    to the front of the order, where it gets a low offset, as long as that finds something new.
    """
    conflicts = _conflicts(buffers)
    pinned = {i: item.pinned for i, item in enumerate(buffers) if item.pinned is not None}
    free = [i for i in range(len(buffers)) if i not in pinned]

    def length(i: int) -> int:
        return buffers[i].last - buffers[i].first

    orders = (
        sorted(free, key=lambda i: (-buffers[i].size, buffers[i].first, i)),
        sorted(free, key=lambda i: (buffers[i].first, -buffers[i].size, i)),
        sorted(free, key=lambda i: (-buffers[i].size * (length(i) + 1), i)),
        sorted(free, key=lambda i: (-length(i), -buffers[i].size, i)),
        sorted(free, key=lambda i: (-_pressure(buffers, conflicts, i), -buffers[i].size, i)),
    )
    best: list[int] | None = None
    best_order, best_top = orders[0], 0
    for order in orders:
        offsets, top = _first_fit(buffers, conflicts, pinned, order)
        if best is None or top < best_top:
            best, best_order, best_top = offsets, order, top
        if best_top <= target:
            break
    assert best is not None
    order, offsets, top = best_order, best, best_top
    seen = {tuple(order)}
    for _ in range(_IMPROVEMENTS if best_top > target else 0):
        candidates = [i for i in order if offsets[i] + buffers[i].size == top]
        moved = next((new for i in candidates if tuple(new := [i, *(j for j in order if j != i)]) not in seen), None)
        if moved is None:
            break
        order = moved
        seen.add(tuple(order))
        offsets, top = _first_fit(buffers, conflicts, pinned, order)
        if top < best_top:
            best, best_top = offsets, top
            if best_top <= target:
                break
    return {item.name: best[i] for i, item in enumerate(buffers)}


def _first_fit(
    buffers: Sequence[Buffer], conflicts: Sequence[Sequence[int]], pinned: Mapping[int, int], order: Sequence[int]
) -> tuple[list[int], int]:
    offsets = [-1] * len(buffers)
    top = 0
    for i, offset in pinned.items():
        offsets[i] = offset
        top = max(top, offset + buffers[i].size)
    for i in order:
        taken = sorted((offsets[j], offsets[j] + buffers[j].size) for j in conflicts[i] if offsets[j] >= 0)
        position, size = 0, buffers[i].size
        for begin, end in taken:
            if begin - position >= size:
                break
            position = max(position, end)
        offsets[i] = position
        top = max(top, position + size)
    return offsets, top


def _conflicts(buffers: Sequence[Buffer]) -> list[list[int]]:
    conflicts: list[list[int]] = [[] for _ in buffers]
    alive: list[int] = []
    for i in sorted(range(len(buffers)), key=lambda i: buffers[i].first):
        alive = [j for j in alive if buffers[j].last >= buffers[i].first]
        for j in alive:
            conflicts[i].append(j)
            conflicts[j].append(i)
        alive.append(i)
    return conflicts


def _pressure(buffers: Sequence[Buffer], conflicts: Sequence[Sequence[int]], i: int) -> int:
    return buffers[i].size + sum(buffers[j].size for j in conflicts[i])


def _top(buffers: Iterable[Buffer], offsets: Mapping[str, int]) -> int:
    return max((offsets[item.name] + item.size for item in buffers), default=0)


@dataclass
class _Storage:
    """Tensors that share their bytes, one after the other or as parts of a whole: offsets inside it by tensor."""

    name: str
    size: int
    first: int
    last: int
    tensors: dict[str, int]
    is_input: bool = False
    is_output: bool = False

    def buffer(self) -> Buffer:
        return Buffer(self.name, align(self.size), self.first, self.last)


def _merge(
    steps: Sequence[PlannedStep], sizes: Mapping[str, int], graph_input: str, graph_outputs: Sequence[str]
) -> tuple[list[_Storage], dict[str, tuple[int, ...]]]:
    """One storage a tensor, but for views (always shared), in-place operators (where the input dies) and joins.

    Also returns the positions of the joined inputs by step.
    """
    last_use = {graph_input: -1}
    for i, step in enumerate(steps):
        last_use[step.output] = i
        for name in step.inputs:
            last_use[name] = i
    storage_of = {
        graph_input: _Storage(graph_input, sizes[graph_input], -1, last_use[graph_input], {graph_input: 0}, True)
    }
    outputs = set(graph_outputs)
    joined: dict[str, tuple[int, ...]] = {}
    for i, step in enumerate(steps):
        storage, offset = _shared(step, i, sizes, storage_of, step.output in outputs)
        if storage is None:
            storage = _Storage(step.output, sizes[step.output], i, i, {})
            positions = tuple(_join(step, storage, sizes, storage_of))
            if positions:
                joined[step.name] = positions
        storage.tensors[step.output] = offset
        storage.last = max(storage.last, last_use[step.output], len(steps) if step.output in outputs else 0)
        storage.is_output |= step.output in outputs
        storage_of[step.output] = storage
    return list({id(storage): storage for storage in storage_of.values()}.values()), joined


def _shared(
    step: PlannedStep, index: int, sizes: Mapping[str, int], storage_of: Mapping[str, _Storage], output: bool
) -> tuple[_Storage | None, int]:
    """The storage of an input that the output of ``step`` may take over, if any, and the offset in it.

    An output of the graph (``output``) shares only what is exactly as large, for it lies in the caller's buffer.
    """
    if step.view is not None:
        storage = storage_of[step.inputs[0]]
        foreign = output and (storage.is_input or storage.is_output or storage.size != sizes[step.output])
        return (None, 0) if foreign else (storage, storage.tensors[step.inputs[0]] + step.view)
    for position in step.in_place:
        name = step.inputs[position]
        storage, offset = storage_of[name], storage_of[name].tensors[name]
        dies = storage.last <= index and not storage.is_input and not storage.is_output
        others = [other for other in step.inputs if storage_of[other] is storage]
        alone = all((storage.tensors[other], sizes[other]) == (offset, sizes[name]) for other in others)
        whole = not output or storage.size == sizes[step.output]
        if dies and alone and whole and sizes[name] >= sizes[step.output]:
            return storage, offset
    return None, 0


def _join(
    step: PlannedStep, whole: _Storage, sizes: Mapping[str, int], storage_of: dict[str, _Storage]
) -> Iterable[int]:
    """Move the storages of those inputs that are no part of anything else into ``whole``; yields their positions."""
    for position, offset in enumerate(step.joins):
        part = storage_of[step.inputs[position]]
        if part is whole or part.is_input or part.is_output or part.size != sizes[step.inputs[position]]:
            continue
        for tensor, inside in part.tensors.items():
            whole.tensors[tensor] = offset + inside
            storage_of[tensor] = whole
        whole.first = min(whole.first, part.first)
        whole.last = max(whole.last, part.last)
        yield position
