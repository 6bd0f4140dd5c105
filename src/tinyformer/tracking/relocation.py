# SPDX-License-Identifier: Apache-2.0
"""Recordings that have moved: the paths of their artifacts' copies as they are now.

A recording of Weights & Biases names each file of an artifact by the absolute path of its copy in ``staging``. In a
folder that was copied or moved these lead nowhere; the copies have unique names, by which they are found again.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from tinyformer.tracking.reader import BLOCK_BYTES, HEADER_BYTES, records

_CHUNK_HEADER = struct.Struct("<IHB")
_PADDING, _FULL, _FIRST, _MIDDLE, _LAST = range(5)


def relocate(content: bytes, staging: Path) -> bytes | None:
    """The recording ``content`` with its artifacts' files in ``staging``; None where all are where it says."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]  # noqa: PLC0415  (slow to import)

    known = {path.name: path for path in staging.rglob("*") if path.is_file()}
    moved = False
    changed = []
    for data in records(content):
        record = Record()
        record.ParseFromString(data)
        artifacts = (record.artifact,) if record.WhichOneof("record_type") == "artifact" else ()
        rewritten = False
        for entry in (entry for artifact in artifacts for entry in artifact.manifest.contents):
            path = Path(entry.local_path)
            if entry.local_path and not path.is_file() and path.name in known:
                entry.local_path = str(known[path.name].resolve())
                rewritten = True
        moved |= rewritten
        changed.append(record.SerializeToString() if rewritten else data)
    return content[:HEADER_BYTES] + _framed(changed) if moved else None


def _framed(contents: list[bytes]) -> bytes:
    """LevelDB's log format, as :mod:`tinyformer.tracking.reader` describes it."""
    result = bytearray()
    for data in contents:
        for kind, part in _chunks(data, HEADER_BYTES + len(result)):
            if kind == _PADDING:
                result += part
            else:
                checksum = zlib.crc32(part, zlib.crc32(bytes([kind])))
                result += _CHUNK_HEADER.pack(checksum, len(part), kind) + part
    return bytes(result)


def _chunks(data: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    """Kind and data of each chunk of a record that begins at ``position`` of the file, with the padding between."""
    start, first = 0, True
    while first or start < len(data):
        left = BLOCK_BYTES - position % BLOCK_BYTES
        if left < _CHUNK_HEADER.size:
            yield _PADDING, bytes(left)
            position, left = position + left, BLOCK_BYTES
        part = data[start : start + left - _CHUNK_HEADER.size]
        start, position = start + len(part), position + _CHUNK_HEADER.size + len(part)
        last = start >= len(data)
        yield (_FULL if last else _FIRST) if first else (_LAST if last else _MIDDLE), part
        first = False
