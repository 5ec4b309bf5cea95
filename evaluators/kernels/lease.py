"""One timing at a time on a host: a lock on a file that every judge of this machine opens."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import tempfile
import time
from collections.abc import Iterator

from evaluators.sandbox.base import SandboxError

PROCESSOR_LEASE = "code-discovery-timing"
_POLL_S = 0.02


class Lease:
    """The right to time kernels on this host, or on one of its GPUs. Open it before the process is confined.

    Args:
        folder: where its file lies; None: the temporary folder.
        name: what is leased, a part of the file's name.
    """

    def __init__(self, folder: str | None = None, *, name: str = PROCESSOR_LEASE) -> None:
        path = os.path.join(folder or tempfile.gettempdir(), f"{name}.lock")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            try:
                self._fd = os.open(path, flags)
            except FileNotFoundError:
                self._fd = os.open(path, flags | os.O_CREAT, 0o644)
        except OSError as error:
            raise SandboxError(
                f"the timing lease {path} cannot be opened: {error.strerror}; remove it"
            ) from error

    @contextlib.contextmanager
    def held(self, timeout_s: float, hangup_fd: int | None = None) -> Iterator[float]:
        """Holds the lease inside the block; yields how long it took to get, in seconds.

        Args:
            timeout_s: how long to wait for it.
            hangup_fd: a descriptor whose hanging up means that nobody waits for the timing any more.

        Raises:
            SandboxError: others held it for all of `timeout_s`.
            SystemExit: the other end of `hangup_fd` is gone.
        """
        begun = time.monotonic()
        poll = select.poll()
        if hangup_fd is not None:
            poll.register(hangup_fd, 0)
        while not self._try():
            if poll.poll(1000 * _POLL_S):
                raise SystemExit(0)
            if time.monotonic() - begun > timeout_s:
                raise SandboxError(f"other judges have been timing for {timeout_s:g} s; use fewer workers")
        try:
            yield time.monotonic() - begun
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Closes the file. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True
