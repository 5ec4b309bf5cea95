"""The model calls of jobs under way, in a file beside the journal: what a killed run had paid and not yet booked.

A line is written before a question goes out and when its answer is there, without a sync: it outlives the process, not
the machine's power. The journal says which jobs were booked since.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from discovery.core.types import ModelCall

_ROOM_BYTES = 1 << 20


class OpenCalls:
    """The calls of jobs by their ids. Thread-safe; one process at a time, beside those that only write (`note_calls`).

    Attributes:
        left: what the file held when it was opened: the calls of earlier sessions, the booked as well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: set[str] = set()
        self._lock = threading.Lock()
        self.left: Mapping[str, tuple[ModelCall, ...]] = _read(path)

    def expect(self, job_id: str) -> None:
        """Notes that a job is under way, whose calls another process writes down (`note_calls`)."""
        with self._lock:
            self._open.add(job_id)

    def read(self) -> Mapping[str, tuple[ModelCall, ...]]:
        """Returns what the file holds now."""
        return _read(self._path)

    def settle(self, job_ids: Iterable[str]) -> None:
        """Notes jobs whose calls are in the journal now; a long file of such alone is begun anew."""
        with self._lock, contextlib.suppress(OSError):
            self._open.difference_update(job_ids)
            if not self._open and self._path.exists() and self._path.stat().st_size > _ROOM_BYTES:
                self._path.unlink()


def note_calls(path: Path, job_id: str, calls: Sequence[ModelCall]) -> None:
    """Writes all calls of a job so far down, as one line. Lines of several processes do not mix."""
    line = json.dumps({"job": job_id, "calls": [asdict(call) for call in calls]}, separators=(",", ":"))
    with contextlib.suppress(OSError), open(path, "ab", buffering=0, opener=_private) as file:
        file.write(line.encode() + b"\n")  # a full disk shows itself at the journal


def _read(path: Path) -> dict[str, tuple[ModelCall, ...]]:
    found: dict[str, tuple[ModelCall, ...]] = {}
    with contextlib.suppress(OSError), path.open("rb") as file:
        for line in file:
            with contextlib.suppress(ValueError, TypeError, KeyError):  # the last one may be torn
                entry = json.loads(line)
                found[str(entry["job"])] = tuple(ModelCall(**call) for call in entry["calls"])
    return found


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
