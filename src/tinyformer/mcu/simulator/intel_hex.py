# SPDX-License-Identifier: Apache-2.0
"""Intel HEX: firmware as lines of text, each with its address and a checksum (Intel, 1988)."""

from __future__ import annotations

from tinyformer.errors import TinyFormerError

_DATA, _END, _SEGMENT, _START_SEGMENT, _LINEAR, _START_LINEAR = range(6)
_BASE_SHIFTS = {_SEGMENT: 4, _LINEAR: 16}


def read_intel_hex(text: bytes, name: str) -> list[tuple[int, bytes]]:
    """Runs of adjacent bytes with their addresses, in the order of the file.

    Args:
        text: content of the file.
        name: what the messages call it.

    Raises:
        TinyFormerError: a line is malformed or its checksum is wrong, or the end record is missing.
    """
    segments: list[tuple[int, bytearray]] = []
    base = 0
    for number, line in enumerate(text.split(b"\n"), start=1):
        record = line.strip()
        if not record:
            continue
        kind, address, data = _record(record, number, name)
        if kind == _END:
            return [(start, bytes(content)) for start, content in segments]
        if kind in _BASE_SHIFTS:
            base = int.from_bytes(data) << _BASE_SHIFTS[kind]
        elif kind == _DATA:
            start = base + address
            if segments and segments[-1][0] + len(segments[-1][1]) == start:
                segments[-1][1].extend(data)
            else:
                segments.append((start, bytearray(data)))
    raise TinyFormerError(f"The firmware '{name}' is Intel HEX without its end record: it was cut short.")


def _record(record: bytes, number: int, name: str) -> tuple[int, int, bytes]:
    """Kind, address and data of a line."""
    try:
        values = bytes.fromhex(record[1:].decode("ascii"))
    except ValueError:
        values = b""
    if not record.startswith(b":") or len(values) < 5 or len(values) != values[0] + 5 or values[3] > _START_LINEAR:
        raise TinyFormerError(f"The firmware '{name}' has a line that is no Intel HEX record: line {number}.")
    if sum(values) & 0xFF:
        raise TinyFormerError(f"The firmware '{name}' is damaged: the checksum of line {number} is wrong.")
    return values[3], int.from_bytes(values[1:3]), values[4:-1]
