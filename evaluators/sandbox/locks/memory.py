"""How much memory this process has mapped, found out without /proc, which a confined process has none of."""

from __future__ import annotations

import mmap
import resource

_PAGE = mmap.PAGESIZE
_LARGEST = 1 << 47


def mapped_bytes(kind: int = resource.RLIMIT_AS) -> int:
    """Returns what counts against a limit of this process now, by lowering the limit until one more page is refused.

    Args:
        kind: RLIMIT_AS (its whole address space) or RLIMIT_DATA (its private writable memory).
    """
    soft, hard = resource.getrlimit(kind)
    low, high = 0, _LARGEST // _PAGE if hard == resource.RLIM_INFINITY else hard // _PAGE
    try:
        while low < high:
            middle = (low + high) // 2
            resource.setrlimit(kind, (middle * _PAGE, hard))
            if _has_room():
                high = middle
            else:
                low = middle + 1
    finally:
        resource.setrlimit(kind, (soft, hard))
    return (low - 1) * _PAGE


def _has_room() -> bool:
    try:
        mmap.mmap(-1, _PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, MemoryError):
        return False
    return True
