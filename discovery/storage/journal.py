"""The journal: append-only JSON lines, the only truth a run is resumed from.

A line is written whole, flushed and synced before anything acts on it. A torn last line (a kill in mid-write) is cut
off when the journal is opened; a broken line anywhere else is an error, for it means that something else wrote here.
A small reserve file is given back to the disk when it is full, so that what was already evaluated can still be saved.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from discovery.core.errors import JournalError
from discovery.storage.files import sync_folder

RESERVE_BYTES = 4 << 20
_RESERVE_NAME = ".reserve"
_sync = getattr(os, "fdatasync", os.fsync)

Entry = Mapping[str, Any]


class DiskFull(JournalError):
    """The disk is full; what was handed in was still saved from the reserve when `is_saved` is true."""

    def __init__(self, path: Path, *, is_saved: bool) -> None:
        saved = "all results so far are saved" if is_saved else "the newest results could not be saved"
        super().__init__(
            f"no space left for {path}; {saved}. Free some space, then run: discovery resume {path.parent}"
        )
        self.is_saved = is_saved


class Journal:
    """The journal file of one run, opened for appending by one process."""

    def __init__(self, path: Path) -> None:
        """Opens (or creates) the journal and cuts off a torn last line.

        Raises:
            JournalError: the file cannot be opened or written.
        """
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._fd, _whole_size(self._fd))
            sync_folder(path.parent)
        except OSError as error:
            raise JournalError(f"cannot open the journal {path}: {error.strerror}") from error
        self._reserve = path.with_name(_RESERVE_NAME)
        self._hold_reserve()

    def append(self, entries: Iterable[Entry]) -> None:
        """Writes entries, one line each, and returns when they are on the disk.

        Raises:
            DiskFull: no space is left; the entries were saved if its `is_saved` says so.
            JournalError: the file cannot be written.
        """
        data = b"".join(
            json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n" for entry in entries
        )
        if not data:
            return
        start = os.fstat(self._fd).st_size
        try:
            self._write(data)
        except OSError as error:
            os.ftruncate(self._fd, start)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise JournalError(f"cannot write the journal {self.path}: {error.strerror}") from error
            raise DiskFull(self.path, is_saved=self._write_from_reserve(data, start)) from error

    def close(self) -> None:
        """Closes the file and gives the reserve back."""
        os.close(self._fd)
        self._reserve.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        _sync(self._fd)

    def _write_from_reserve(self, data: bytes, start: int) -> bool:
        self._reserve.unlink(missing_ok=True)
        try:
            self._write(data)
        except OSError:
            os.ftruncate(self._fd, start)
            return False
        return True

    def _hold_reserve(self) -> None:
        try:
            self._reserve.write_bytes(bytes(RESERVE_BYTES))
        except OSError:  # a full disk at the start shows itself at the first append
            self._reserve.unlink(missing_ok=True)


def read_entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the entries of a journal in order; a torn or broken last line is passed over.

    Raises:
        JournalError: the file cannot be read, or a line before the last is broken.
    """
    broken: str | None = None
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if broken is not None:
                    raise JournalError(broken)
                if (entry := parse_line(line)) is None:
                    broken = broken_line(path, number)
                    continue
                yield entry
    except OSError as error:
        raise JournalError(f"cannot read the journal {path}: {error.strerror}") from error


class Follower:
    """Reads a journal while another thread or process writes it: each call of `entries` gives what is new.

    Attributes:
        at: the byte where the entry given last begins.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 0
        self.at = 0

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yields the whole entries since the last call; none while there is no journal.

        Raises:
            JournalError: the file cannot be read, or a whole line is no entry.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._next)
                for line in file:
                    if not line.endswith(b"\n"):
                        return  # the rest of it comes later
                    if (entry := parse_line(line)) is None:
                        raise JournalError(
                            f"{self._path} holds a line at byte {self._next} that is not a JSON object"
                        )
                    self.at, self._next = self._next, self._next + len(line)
                    yield entry
        except FileNotFoundError:
            return
        except OSError as error:
            raise JournalError(f"cannot read the journal {self._path}: {error.strerror}") from error


def broken_line(path: Path, number: int) -> str:
    """Returns what is wrong with a journal whose line of this number, from 1, is none."""
    return (
        f"{path}, line {number} is not a JSON object though lines follow it: something else wrote "
        f"there. Move the file aside, keep its first {number - 1} lines, and resume"
    )


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Returns the entry of a line; None where it is torn or broken."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _whole_size(fd: int) -> int:
    """Returns the size up to the end of the last line that is whole and parses."""
    size = os.fstat(fd).st_size
    tail = b""
    start = size
    while start > 0 and tail.count(b"\n", 0, -1) < 2:
        block = max(0, start - 65536)
        tail = os.pread(fd, start - block, block) + tail
        start = block
    lines = tail.splitlines(keepends=True)
    while lines and parse_line(lines[-1]) is None:
        size -= len(lines.pop())
        if len(lines) == 1 and start > 0:  # only a piece of a line is left in this window
            break
    return size
