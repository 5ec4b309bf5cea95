"""Which shared libraries a binary asks for: DT_NEEDED of ELF files of this machine's kind (64 bit, little endian).

Source: elf(5).
"""

from __future__ import annotations

import mmap
import os
import struct

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_ENTRY = struct.Struct("<qQ")
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NEEDED, _STRINGS = 1, 5


def needed(path: str) -> tuple[str, ...]:
    """Returns the names of the libraries that a binary needs, and the path of its loader; () for any other file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.pread(fd, 6, 0) != b"\x7fELF\x02\x01":
            return ()
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as data:
            return tuple(_names(data))
    finally:
        os.close(fd)


def _names(data: mmap.mmap) -> list[str]:
    header = _HEADER.unpack_from(data)
    first, size, count = header[5], header[9], header[10]
    segments = [_SEGMENT.unpack_from(data, first + size * index) for index in range(count)]
    loads = [(start, offset, length) for kind, _, offset, start, _, length, *_ in segments if kind == _LOAD]
    found = [_text(data, offset) for kind, _, offset, *_ in segments if kind == _INTERPRETER]
    for kind, _, offset, _, _, length, *_ in segments:
        if kind == _DYNAMIC:
            entries = list(_ENTRY.iter_unpack(data[offset : offset + length - length % _ENTRY.size]))
            strings = next(_offset(loads, value) for tag, value in entries if tag == _STRINGS)
            found += [_text(data, strings + value) for tag, value in entries if tag == _NEEDED]
    return found


def _offset(loads: list[tuple[int, int, int]], address: int) -> int:
    return next(
        offset + address - start for start, offset, length in loads if start <= address < start + length
    )


def _text(data: mmap.mmap, at: int) -> str:
    return data[at : data.find(b"\0", at)].decode()
