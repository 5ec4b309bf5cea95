"""The programs of a run as a sequence: read when they are looked at, so that a run of any size opens at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from discovery.core.records import Record
from discovery.storage.index import open_index
from discovery.storage.run_folder import RunFolder


class Programs(Sequence[Record]):
    """Every program of a run that was evaluated when the sequence was made, in order, failures included.

    Iterating reads one after the other and keeps none; a slice is a tuple.
    """

    def __init__(self, folder: RunFolder, count: int) -> None:
        self._folder = folder
        self._count = count

    def __len__(self) -> int:
        """Returns how many there are."""
        return self._count

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Record, ...]: ...

    def __getitem__(self, place: int | slice) -> Record | tuple[Record, ...]:
        """Returns the program of a number, or the programs of a slice.

        Raises:
            IndexError: there is none of that number.
        """
        if isinstance(place, slice):
            numbers = range(self._count)[place]
            if numbers.step == 1:
                return tuple(self._records(numbers.start, numbers.stop))
            with open_index(self._folder) as index:
                return tuple(index.record(number) for number in numbers)
        if not -self._count <= place < self._count:
            raise IndexError(f"the run has {self._count} programs, so there is no number {place}")
        return next(self._records(place % self._count, place % self._count + 1))

    def __iter__(self) -> Iterator[Record]:
        """Yields them in order."""
        return self._records(0, self._count)

    def __eq__(self, other: object) -> bool:
        """Returns whether another sequence holds the same programs."""
        if not isinstance(other, Sequence) or len(other) != self._count:
            return False
        return all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # it is a view on a file

    def __repr__(self) -> str:
        return f"<{self._count} programs of {self._folder.path}>"

    def _records(self, start: int, stop: int) -> Iterator[Record]:
        with open_index(self._folder) as index:
            yield from index.records(start, stop)
