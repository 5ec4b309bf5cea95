"""The lines of a transcript, with the seconds at which they were written."""

from __future__ import annotations

import threading
import time

from discovery.core.texts import printable

MAX_LOG_CHARS = 400_000


class Log:
    """Collects the lines of one job. Thread-safe."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._begun_s = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        """Adds a line, unless there are too many already."""
        with self._lock:
            if self._size < MAX_LOG_CHARS:
                self._parts.append(f"[{time.monotonic() - self._begun_s:7.2f} s] {printable(line)}")
                self._size += len(line) + 12

    @property
    def text(self) -> str:
        """All of it."""
        with self._lock:
            return "\n".join(self._parts)
