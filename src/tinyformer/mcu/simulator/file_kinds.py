# SPDX-License-Identifier: Apache-2.0
"""Kinds of files that are no firmware, told by how they begin."""

from __future__ import annotations

_BEGINNINGS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"PK\x03\x04", "a ZIP archive (.npz, .docx and others are such)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"%PDF", "a PDF document"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a macOS program or Java class"),
    (b"UF2\n", "a UF2 file; convert it to .hex or .bin"),
    (b"DfuSe", "a DfuSe file; convert it to .hex or .bin"),
    (b"!<arch>", "a library of object files; link it first"),
    (b"BC\xc0\xde", "LLVM bitcode; link it first"),
)
_TEXT = frozenset(range(0x20, 0x7F)) | {*b"\t\n\r\f"}


def known_kind(content: bytes) -> str | None:
    """What the file is, with its article, if that is known to be something other than firmware."""
    for beginning, kind in _BEGINNINGS:
        if content.startswith(beginning):
            return kind
    if content[4:8] == b"TFL3":
        return "a TensorFlow Lite model"
    if content[:2] in (b"S0", b"S1", b"S2", b"S3") and content[2:10].isalnum():
        return "Motorola S-records; convert them to .hex or .bin"
    if content and all(byte in _TEXT for byte in content[:1024]):
        return "text"
    return None
