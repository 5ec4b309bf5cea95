"""Judge processes kept warm: made once per problem and secret, lent to one caller at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from discovery.execution.embedded import Judging


class JudgePool:
    """Lends judges by key and keeps those that come back, the longest unused of which are closed.

    Thread-safe. A judge that raised is closed, never lent again.

    Args:
        idle: how many are kept that nobody uses at the moment.
    """

    def __init__(self, idle: int) -> None:
        self._idle = idle
        self._kept: list[tuple[str, Judging]] = []
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, key: str, make: Callable[[], Judging]) -> Iterator[Judging]:
        """Lends a judge of this key, a new one if none is free; what `make` raises passes."""
        judge = self._take(key) or make()
        try:
            yield judge
        except BaseException:
            judge.close()
            raise
        with self._lock:
            self._kept.append((key, judge))
            surplus = [self._kept.pop(0)[1] for _ in range(len(self._kept) - self._idle)]
        for old in surplus:
            old.close()

    def close(self) -> None:
        """Closes what is kept."""
        with self._lock:
            kept, self._kept = self._kept, []
        for _, judge in kept:
            judge.close()

    def _take(self, key: str) -> Judging | None:
        with self._lock:
            for place in reversed(range(len(self._kept))):
                if self._kept[place][0] == key:
                    return self._kept.pop(place)[1]
        return None
