"""In the sandbox: pools of threads in the place of pools of processes, whose queues need semaphores that it refuses.

What is lost: a worker that hangs cannot be killed, and global state is shared. What stays: the results.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from typing import Any


def stand_in() -> None:
    """Puts the stand-ins in the place of `ProcessPoolExecutor` and `multiprocessing.Pool`."""
    concurrent.futures.ProcessPoolExecutor = Executor  # type: ignore[misc,assignment]
    multiprocessing.Pool = Pool  # type: ignore[assignment]


class Executor(concurrent.futures.ThreadPoolExecutor):
    """Stands in for `ProcessPoolExecutor`; what only processes have (contexts, tasks per child) is passed over."""

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: object = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        **_: object,
    ) -> None:
        del mp_context
        super().__init__(max_workers or 1, initializer=initializer, initargs=initargs)


class Pending:
    """Stands in for the result of `apply_async` and `map_async`."""

    def __init__(self, collect: Callable[[float | None], Any]) -> None:
        self._collect = collect

    def get(self, timeout: float | None = None) -> Any:
        """Returns the result.

        Raises:
            multiprocessing.TimeoutError: it is not there in time.
        """
        try:
            return self._collect(timeout)
        except concurrent.futures.TimeoutError as error:
            raise multiprocessing.TimeoutError from error


class Pool:
    """Stands in for `multiprocessing.Pool`."""

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        **_: object,
    ) -> None:
        self._executor = Executor(processes, initializer=initializer, initargs=initargs)

    def __enter__(self) -> Pool:
        """Returns the pool."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        self.terminate()

    def map(
        self, function: Callable[..., Any], items: Iterable[Any], chunksize: int | None = None
    ) -> list[Any]:
        """Returns the results in order."""
        del chunksize
        return list(self._executor.map(function, items))

    def starmap(
        self, function: Callable[..., Any], items: Iterable[Iterable[Any]], chunksize: int | None = None
    ) -> list[Any]:
        """Returns the results in order; each item is a tuple of arguments."""
        return self.map(lambda arguments: function(*arguments), items, chunksize)

    def imap(self, function: Callable[..., Any], items: Iterable[Any], chunksize: int = 1) -> Iterator[Any]:
        """Returns the results as they are asked for."""
        del chunksize
        return self._executor.map(function, items)

    imap_unordered = imap

    def apply(
        self, function: Callable[..., Any], args: Iterable[Any] = (), kwds: dict[str, Any] | None = None
    ) -> Any:
        """Returns the result of one call."""
        return self.apply_async(function, args, kwds).get()

    def apply_async(
        self,
        function: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: dict[str, Any] | None = None,
        **_: object,
    ) -> Pending:
        """Returns the result of one call, when it is there."""
        return Pending(self._executor.submit(function, *args, **(kwds or {})).result)

    def map_async(self, function: Callable[..., Any], items: Iterable[Any], **_: object) -> Pending:
        """Returns the results in order, when they are there."""
        futures = [self._executor.submit(function, item) for item in items]
        return Pending(lambda timeout: [future.result(timeout) for future in futures])

    def close(self) -> None:
        """Takes no more work."""
        self._executor.shutdown(wait=False)

    def terminate(self) -> None:
        """Drops the work that has not begun."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Waits for the work under way."""
        self._executor.shutdown(wait=True)
