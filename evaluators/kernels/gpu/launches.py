"""What a program launches on a GPU, read from what its recorder said: data of the program's, believed in nothing.

Exceptions:
    LaunchError    it is not what a recorder says, or more than is allowed
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_KERNELS, MOST_LAUNCHES = 64, 256
_MOST_BLOCKS = (2**31 - 1, 65_535, 65_535)
_MOST_THREADS, _WARP = 1024, 32
_MOST_SHARED = 227 << 10
_MOST_CUBIN_BYTES = 8 << 20
_INTEGERS = {"i1": 1, "i8": 1, "u8": 1, "i16": 2, "u16": 2, "i32": 4, "u32": 4, "i64": 8, "u64": 8}
FLOATS = {"fp32": 4, "fp64": 8}


class LaunchError(ValueError):
    """A list of launches cannot be used."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Code for the GPU: its name, its bytes, and the shared memory of a block."""

    name: str
    cubin: bytes
    shared: int


@dataclass(frozen=True, slots=True)
class Argument:
    """What a kernel is handed: a place in buffer or scratch memory `number` (offset in bytes), or a value of a type.

    `kind`: "buffer", "scratch", or a type ("i32", "fp32", ...).
    """

    kind: str
    number: int = 0
    value: int | float = 0


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch: which kernel, how many blocks along three axes, how many threads a block has, on what."""

    kernel: int
    grid: tuple[int, int, int]
    threads: int
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Scratch:
    """Memory of the program's own; `is_zero`: it is cleared before each call."""

    size: int
    is_zero: bool


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a call does."""

    kernels: tuple[Kernel, ...]
    launches: tuple[Launch, ...]
    scratches: tuple[Scratch, ...]


def read(data: Any, *, buffer_bytes: Sequence[int], memory_bytes: int) -> Recipe:
    """Returns a recipe.

    Args:
        data: what the recorder wrote, as JSON.
        buffer_bytes: the sizes of the call's buffers, in order.
        memory_bytes: how much scratch memory there may be.

    Raises:
        LaunchError: it is not a recipe, or asks for too much.
    """
    try:
        kernels = tuple(_kernel(item) for item in data["kernels"][: MOST_KERNELS + 1])
        scratches = tuple(
            Scratch(_count(item["bytes"], 0, memory_bytes, "scratch memory"), bool(item["is_zero"]))
            for item in data["scratches"]
        )
        sizes = {"buffer": buffer_bytes, "scratch": [one.size for one in scratches]}
        launches = tuple(_launch(item, len(kernels), sizes) for item in data["launches"][: MOST_LAUNCHES + 1])
    except LaunchError:
        raise
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError) as error:
        raise LaunchError(f"the record of launches is damaged: {type(error).__name__}") from error
    _count(len(kernels), 0, MOST_KERNELS, "kernels")
    _count(len(launches), 0, MOST_LAUNCHES, "launches")
    _count(sum(one.size for one in scratches), 0, memory_bytes, "scratch memory in all")
    return Recipe(kernels, launches, scratches)


def _kernel(item: Mapping[str, Any]) -> Kernel:
    cubin = base64.b64decode(item["cubin"], validate=True)
    _count(len(cubin), 1, _MOST_CUBIN_BYTES, "bytes of a kernel")
    name = item["name"]
    if not isinstance(name, str) or not name.isidentifier() or len(name) > 500:
        raise LaunchError("the name of a kernel must be an identifier")
    return Kernel(name, cubin, _count(item["shared"], 0, _MOST_SHARED, "bytes of shared memory"))


def _launch(item: Mapping[str, Any], kernels: int, sizes: Mapping[str, Sequence[int]]) -> Launch:
    x, y, z = (
        _count(value, 1, most, "blocks along an axis")
        for value, most in zip(item["grid"], _MOST_BLOCKS, strict=True)
    )
    threads = _count(item["threads"], _WARP, _MOST_THREADS, "threads of a block")
    kernel = _count(item["kernel"], 0, kernels - 1, "number of a kernel")
    return Launch(kernel, (x, y, z), threads, tuple(_argument(one, sizes) for one in item["arguments"]))


def _argument(item: Mapping[str, Any], sizes: Mapping[str, Sequence[int]]) -> Argument:
    for kind, known in sizes.items():
        if kind in item:
            number = _count(item[kind], 0, len(known) - 1, f"number of a {kind}")
            offset = _count(item["offset"], 0, known[number], f"offset in a {kind}")
            return Argument(kind, number, offset)
    kind, value = item["type"], item["value"]
    if kind in FLOATS:
        return Argument(kind, value=float(value))
    bits = 8 * _INTEGERS[kind]
    return Argument(kind, value=_count(int(value), -(2 ** (bits - 1)), 2**bits - 1, f"value of type {kind}"))


def size_of(kind: str) -> int:
    """Returns the bytes of a value of a type."""
    return {**_INTEGERS, **FLOATS}[kind]


def _count(value: Any, low: int, high: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise LaunchError(f"{what} must be in {low}..{high}, got {str(value)[:40]}")
    return value
