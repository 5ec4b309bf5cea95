"""Pipes whose reader has read enough: `discovery log RUN | head -1` is no fault."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import IO


class BrokenOffError(Exception):
    """A pipe broke under a command: click ends the process with 1 where it sees the error itself."""


def is_unread(stream: IO[str]) -> bool:
    """Returns whether whoever read a stream has closed it."""
    poll = select.poll()
    with contextlib.suppress(OSError, ValueError):  # no file, or closed here
        poll.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    return False


def read_no_more(*streams: IO[str]) -> None:
    """Sends what else is written to streams nowhere, what is left in their buffers too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams or (sys.stdout,):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
