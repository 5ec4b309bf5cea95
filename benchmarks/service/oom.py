"""The kernel's own out-of-memory killer, set on chosen processes where this user may make a memory cgroup."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

_numbers = itertools.count(1)


class MemorySqueeze:
    """Kills by want of memory. A context manager: the groups that it makes go at its end, with what was in them.

    Args:
        limit_bytes: what a group may newly use; reached at the first thing that its processes do.
    """

    def __init__(self, limit_bytes: int = 4096) -> None:
        is_first = Path("/sys/fs/cgroup/memory").is_dir()
        self._parent = Path("/sys/fs/cgroup/memory" if is_first else "/sys/fs/cgroup")
        self._limit = "memory.limit_in_bytes" if is_first else "memory.max"
        self._count = "memory.oom_control" if is_first else "memory.events"
        self._unlimited = "-1" if is_first else "max"
        self._limit_bytes = limit_bytes
        self._groups: list[Path] = []

    def kill_one(self, pids: Iterable[int], timeout_s: float = 10.0) -> bool:
        """Returns whether the kernel killed one of these processes; False too where no group can be made."""
        group = self._parent / f"discovery-chaos-{os.getpid()}-{next(_numbers)}"
        try:
            group.mkdir()
            self._groups.append(group)
            (group / self._limit).write_text(str(self._limit_bytes), encoding="ascii")
            for pid in pids:
                (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
        except OSError:
            return False
        try:
            end_s = time.monotonic() + timeout_s
            while not self._killed(group):
                if time.monotonic() > end_s:
                    return False
                time.sleep(0.05)
            return True
        finally:
            (group / self._limit).write_text(self._unlimited, encoding="ascii")

    def __enter__(self) -> MemorySqueeze:
        return self

    def __exit__(self, *error: object) -> None:
        for group in self._groups:
            with contextlib.suppress(OSError):
                group.rmdir()

    def _killed(self, group: Path) -> bool:
        found = re.search(
            r"^oom_kill (\d+)$", (group / self._count).read_text(encoding="ascii"), re.MULTILINE
        )
        return found is not None and int(found[1]) > 0
