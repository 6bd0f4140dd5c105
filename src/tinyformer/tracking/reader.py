# SPDX-License-Identifier: Apache-2.0
"""Reads an offline run back: ``run-<id>.wandb``, a file of protocol buffers in LevelDB's log format.

The file is a 7-byte header, then blocks of 32 KiB. A block holds chunks: CRC (4 bytes), length (2), type (1), data; a
record is one chunk (type 1) or several (2 first, 3 middle, 4 last). A block's last bytes are unused where no chunk
header fits.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyformer.errors import TinyFormerError

_MAGIC = b":W&B"
HEADER_BYTES = 7
BLOCK_BYTES = 32 * 1024
_CHUNK_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@dataclass
class OfflineRun:
    """What a run recorded. ``history`` has one dict per step, with the key ``_step``."""

    id: str = ""
    name: str = ""
    project: str = ""
    group: str = ""
    job_type: str = ""
    tags: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    """Type by name of every artifact that was logged."""
    complete: bool = False
    """Whether the run was finished and its file is whole."""
    exit_code: int | None = None


def read_runs(directory: Path) -> list[OfflineRun]:
    """All offline runs below ``directory``, oldest first."""
    return [read_run(path.parent) for path in sorted(directory.glob("**/offline-run-*/run-*.wandb"))]


def read_run(path: Path) -> OfflineRun:
    """The run recorded in ``path``, a .wandb file or its directory; a torn or damaged tail is left out.

    Raises TinyFormerError where there is no such file or it is of another kind.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]  # noqa: PLC0415  (slow to import)

    files = sorted(path.glob("run-*.wandb")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise TinyFormerError(f"{path} holds no offline run (run-<id>.wandb).")
    content = files[0].read_bytes()
    if not content.startswith(_MAGIC):
        raise TinyFormerError(f"{files[0]} is not a file of Weights & Biases.")
    run = OfflineRun()
    for data in records(content):
        record = Record()
        try:
            record.ParseFromString(data)
        except DecodeError:
            break
        _apply(run, record)
    for internal in (run.config, run.summary):
        internal.pop("_wandb", None)
    return run


def records(content: bytes) -> Iterator[bytes]:
    """The records of a recording, serialized; a torn or damaged tail is left out."""
    position, parts = HEADER_BYTES, b""
    while True:
        left = BLOCK_BYTES - position % BLOCK_BYTES
        if left < _CHUNK_HEADER.size:
            position += left
        if position + _CHUNK_HEADER.size > len(content):
            return
        _, length, kind = _CHUNK_HEADER.unpack_from(content, position)
        position += _CHUNK_HEADER.size
        chunk = content[position : position + length]
        position += length
        if len(chunk) < length or kind not in (_FULL, _FIRST, _MIDDLE, _LAST):
            return
        parts = chunk if kind in (_FULL, _FIRST) else parts + chunk
        if kind in (_FULL, _LAST):
            yield parts


def _apply(run: OfflineRun, record: Any) -> None:
    match record.WhichOneof("record_type"):
        case "run":
            run.id, run.name, run.project = record.run.run_id, record.run.display_name, record.run.project
            run.group, run.job_type, run.tags = record.run.run_group, record.run.job_type, tuple(record.run.tags)
            _update(run.config, record.run.config.update)
        case "config":
            _update(run.config, record.config.update)
        case "summary":
            _update(run.summary, record.summary.update)
        case "history":
            item: dict[str, Any] = {}
            _update(item, record.history.item)
            run.history.append(item)
        case "artifact":
            run.artifacts[record.artifact.name] = record.artifact.type
        case "exit":
            run.complete, run.exit_code = True, record.exit.exit_code


def _update(target: dict[str, Any], items: Any) -> None:
    """Apply updates of ``key`` or ``nested_key`` (a path) to JSON values."""
    for item in items:
        *path, last = list(item.nested_key) or [item.key]
        inner = target
        for key in path:
            inner = inner.setdefault(key, {})
        inner[last] = json.loads(item.value_json)
