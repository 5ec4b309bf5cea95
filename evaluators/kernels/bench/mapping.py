"""Shared memory as a child sees it: one region per buffer, between pages that cannot be touched."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.sandbox.locks import kernel

PAGE = mmap.PAGESIZE
_NONE, _READ, _READ_WRITE = 0, 1, 3
_SHARED, _PRIVATE, _FIXED, _ANONYMOUS, _POPULATE = 1, 2, 0x10, 0x20, 0x8000
_FAILED = ctypes.c_void_p(-1).value


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a shared file that holds one buffer: `offset` and `size` are whole pages, in bytes."""

    offset: int
    size: int
    is_output: bool


def map_regions(regions: Sequence[Region], input_fd: int, output_fd: int) -> list[int]:
    """Returns the address of each region. Inputs are readable only, and stay so: their descriptor is.

    Raises:
        OSError: too little memory.
    """
    return [_map(region, output_fd if region.is_output else input_fd) for region in regions]


def _map(region: Region, fd: int) -> int:
    call = kernel.libc.mmap
    call.restype = ctypes.c_void_p
    call.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    ]
    reserved = call(None, region.size + 2 * PAGE, _NONE, _PRIVATE | _ANONYMOUS, -1, 0)
    if reserved == _FAILED:
        raise OSError(ctypes.get_errno(), "cannot reserve addresses for a buffer")
    protection = _READ_WRITE if region.is_output else _READ
    flags = _SHARED | _FIXED | _POPULATE
    address: int | None = call(reserved + PAGE, region.size, protection, flags, fd, region.offset)
    if address is None or address == _FAILED:
        raise OSError(ctypes.get_errno(), "cannot map a buffer")
    return address
