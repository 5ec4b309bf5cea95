"""A zygote that begins anew from a file system of its own: nothing that it runs lies in a file that others map.

What it has learned before goes with it: the judge's request in a file of memory, its user id and the lock on that.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any

from evaluators.sandbox.locks import kernel, private_files

_STATE_ARGUMENT = 3


def has_happened() -> bool:
    """Returns whether this process has been started from inside."""
    return len(sys.argv) > _STATE_ARGUMENT


def request() -> dict[str, Any]:
    """Returns the judge's request, which the process before has received."""
    found: dict[str, Any] = _state()["request"]
    return found


def user() -> tuple[socket.socket | None, int | None]:
    """Returns the lock on the user id, and the user id."""
    state = _state()
    return None if state["uid_lock"] is None else socket.socket(fileno=state["uid_lock"]), state["uid"]


def inside(request: Mapping[str, Any], uid_lock: socket.socket | None, uid: int | None) -> None:
    """Starts this process anew from a file system of its own; returns only where there can be none."""
    try:
        private_files.enter(request["packages"])
    except OSError:
        return
    held = None if uid_lock is None else os.dup(uid_lock.fileno())
    state = os.memfd_create("state", 0)
    os.write(state, json.dumps({"request": request, "uid": uid, "uid_lock": held}).encode())
    for fd in (int(sys.argv[2]), *(() if held is None else (held,))):
        os.set_inheritable(fd, True)
    if os.geteuid() != 0:
        kernel.keep_capabilities()
    program = sys.orig_argv[: sys.orig_argv.index("-c") + 2]
    os.execv(sys.executable, [*program, *sys.argv[1:3], str(state)])


def _state() -> dict[str, Any]:
    fd = int(sys.argv[_STATE_ARGUMENT])
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    found: dict[str, Any] = json.loads(data)
    return found
