"""The shared memory of one child: inputs that it can only read, outputs full of rubbish until it fills them.

Every buffer has a region of whole pages between pages that cannot be touched. A buffer lies at the start or flush
against the end of its region, so that one item too far, on either side, is a fault on some calls. A slot has one region
for each buffer. The output regions of the slots that are used are poisoned anew before each call, and what
lies round the outputs in them must still be poison afterwards.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evaluators.kernel_task import Buffer, Dims, KernelTask, Values

Place: TypeAlias = Literal["start", "end"]

_PAGE = mmap.PAGESIZE
_SEALS = 2 | 4  # no shrinking, no growing
_F_ADD_SEALS = 1033


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a buffer lies: `region` by number, `start` within its file, `offset` within the region, in bytes."""

    region: int
    start: int
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def count(self) -> int:
        """Returns the number of items."""
        return int(np.prod(self.shape, dtype=np.int64))


class Arena:
    """Memory for the buffers of a task, in slots; `slots` holds the shapes that each is to have room for. Close it.

    `band_bytes` (a multiple of 8) of rubbish follow each buffer, inputs too, where no pages guard them.
    """

    def __init__(self, task: KernelTask, slots: Sequence[Sequence[Dims]], *, band_bytes: int = 0) -> None:
        self._task, self._band_bytes = task, band_bytes
        self._buffers = [item for item in task.arguments if isinstance(item, Buffer)]
        self.regions: list[tuple[int, int, bool]] = []
        totals = {False: band_bytes, True: band_bytes}
        self._begins = {False: [0], True: [0]}
        for sizes in slots:
            for item in self._buffers:
                is_output = item.role == "out"
                size = max(_pages(_bytes(item, dims)) for dims in sizes)
                self.regions.append((totals[is_output], size, is_output))
                totals[is_output] += size + band_bytes
            for kind, total in totals.items():
                self._begins[kind].append(total - band_bytes)
        self._files = {kind: _SharedFile(size) for kind, size in totals.items()}
        self.descriptors = self._files[False].read_only_fd, self._files[True].fd
        self._pattern = np.empty(0, np.uint64)
        self._used = slice(0, 0)

    def spots(self, dims: Dims, place: Place, slot: int = 0) -> dict[str, Spot]:
        """Returns where each buffer of one slot lies for one shape."""
        found = {}
        for number, item in enumerate(self._buffers, slot * len(self._buffers)):
            start, size, _ = self.regions[number]
            kind = np.dtype(item.dtype)
            offset = size - _bytes(item, dims) if place == "end" else 0
            found[item.name] = Spot(number, start, offset, item.sizes(dims), kind)
        return found

    def plan(self, spots: Mapping[str, Spot], values: Values, dims: Dims) -> list[dict[str, Any]]:
        """Returns what a child must be told about its arguments."""
        plan: list[dict[str, Any]] = []
        for item in self._task.arguments:
            if isinstance(item, Buffer):
                spot = spots[item.name]
                plan.append(
                    {
                        "region": spot.region,
                        "offset": spot.offset,
                        "shape": list(spot.shape),
                        "dtype": item.dtype,
                        "is_output": item.role == "out",
                    }
                )
            else:
                value = dims[item.name] if item.name in dims else values[item.name]
                number = float(value) if item.dtype.startswith("float") else int(value)
                plan.append({"value": number, "dtype": item.dtype})
        return plan

    def write_inputs(self, spots: Mapping[str, Spot], values: Values) -> None:
        """Copies the inputs to where the child sees them."""
        for item in self._task.inputs:
            self._view(spots[item.name], is_output=False)[...] = values[item.name]

    def poison(self, rng: np.random.Generator, slots: range) -> None:
        """Fills the output regions of some slots with a pattern that is NaN in every floating type, new each time.

        Where there are bands, the inputs are filled, too; write them after.
        """
        high, low = (int(value) for value in rng.integers(0, 1 << 16, size=2))
        word = (0x7FF8 << 48) | (high << 32) | (0x7FC0 << 16) | low
        self._pattern = np.frombuffer(np.uint64(word).tobytes(), np.uint64)
        self._used = self._span(slots, is_output=True)
        self._files[True].bytes[self._used].view(np.uint64)[...] = word
        if self._band_bytes:
            self._files[False].bytes[self._span(slots, is_output=False)].view(np.uint64)[...] = word

    def read_outputs(self, spots: Mapping[str, Spot]) -> dict[str, NDArray[Any]]:
        """Returns copies of the outputs."""
        return {item.name: self._view(spots[item.name], is_output=True).copy() for item in self._task.outputs}

    def is_unwritten(self, spots: Mapping[str, Spot], name: str) -> bool:
        """Returns whether some item of an output still holds the poison, byte by byte."""
        spot = spots[name]
        got = self._bytes_of(spot)
        begin = (spot.start + spot.offset) % 8
        period = np.tile(np.roll(self._pattern.view(np.uint8), -begin), got.size // 8 + 1)[: got.size]
        same = (got == period).reshape(-1, spot.dtype.itemsize).all(axis=1)
        return bool(same.any())

    def is_damaged(self, all_spots: Sequence[Mapping[str, Spot]]) -> bool:
        """Returns whether anything was written beside the outputs of the slots that were poisoned last."""
        everything = self._files[True].bytes
        word = self._pattern.view(np.uint8)
        position = self._used.start
        for spot in (spots[item.name] for spots in all_spots for item in self._task.outputs):
            begin = spot.start + spot.offset
            end = begin + spot.count * spot.dtype.itemsize
            if not _is_pattern(everything, position, begin, word):
                return True
            position = end
        return not _is_pattern(everything, position, self._used.stop, word)

    def _span(self, slots: range, *, is_output: bool) -> slice:
        """Returns where the regions of some slots in a row lie in their file, with the bands round them."""
        begins = self._begins[is_output]
        return slice(begins[slots.start], begins[slots.stop] + self._band_bytes)

    def close(self) -> None:
        """Lets go of the memory."""
        for file in self._files.values():
            file.close()

    def _view(self, spot: Spot, *, is_output: bool) -> NDArray[Any]:
        begin = spot.start + spot.offset
        raw = self._files[is_output].bytes[begin : begin + spot.count * spot.dtype.itemsize]
        return raw.view(spot.dtype).reshape(spot.shape)

    def _bytes_of(self, spot: Spot) -> NDArray[np.uint8]:
        begin = spot.start + spot.offset
        return self._files[True].bytes[begin : begin + spot.count * spot.dtype.itemsize]


class _SharedFile:
    """An anonymous file in memory, sealed in size; mapped here for writing."""

    def __init__(self, size: int) -> None:
        self.fd = os.memfd_create("buffers", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        fcntl.fcntl(self.fd, _F_ADD_SEALS, _SEALS)
        self.read_only_fd = os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)
        self._map = mmap.mmap(self.fd, size)
        self.bytes = np.frombuffer(self._map, np.uint8)

    def close(self) -> None:
        del self.bytes
        self._map.close()
        os.close(self.fd)
        os.close(self.read_only_fd)


def _is_pattern(data: NDArray[np.uint8], begin: int, end: int, word: NDArray[np.uint8]) -> bool:
    """Returns whether data[begin:end] holds nothing but the 8-byte word that fills the file from its start."""
    first, last = min(end, -(-begin // 8) * 8), max(begin, end // 8 * 8)
    if first < last and not bool((data[first:last].view(np.uint64) == word.view(np.uint64)).all()):
        return False
    edges = [*range(begin, first), *range(max(first, last), end)]
    return all(data[position] == word[position % 8] for position in edges)


def _bytes(item: Buffer, dims: Dims) -> int:
    count = int(np.prod(item.sizes(dims), dtype=np.int64))
    return count * np.dtype(item.dtype).itemsize


def _pages(size: int) -> int:
    return max(1, -(-size // _PAGE)) * _PAGE


def slot_bytes(task: KernelTask, all_dims: Sequence[Dims]) -> int:
    """Returns how much memory one slot takes."""
    buffers = [item for item in task.arguments if isinstance(item, Buffer)]
    return sum(max(_pages(_bytes(item, dims)) for dims in all_dims) for item in buffers)
