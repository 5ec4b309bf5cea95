"""Messages between the judge and its zygote: JSON with a length before it, and descriptors beside it."""

from __future__ import annotations

import array
import fcntl
import json
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

_LENGTH_BYTES = 4
_MAX_DESCRIPTORS = 4


def adopt(place: int) -> socket.socket:
    """Returns the channel whose descriptor the second argument of this process names, moved to `place` or beyond.

    The number it came with is the judge's affair and may be one that the locks reserve; the argument names the new one.
    """
    given = int(sys.argv[2])
    moved = fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, place)
    os.close(given)
    sys.argv[2] = str(moved)
    return socket.socket(fileno=moved)


def send(channel: socket.socket, message: object, descriptors: Sequence[int] = ()) -> None:
    """Sends one message."""
    text = json.dumps(message, separators=(",", ":")).encode()
    data = len(text).to_bytes(_LENGTH_BYTES, "little") + text
    if descriptors:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        sent = channel.sendmsg([data], rights)
        if sent == len(data):
            return
        data = data[sent:]
    channel.sendall(data)


def receive(channel: socket.socket) -> tuple[Any, list[int]] | None:
    """Returns the next message and its descriptors, None at the end of the stream."""
    space = socket.CMSG_SPACE(_MAX_DESCRIPTORS * array.array("i").itemsize)
    head, ancillary, _, _ = channel.recvmsg(_LENGTH_BYTES, space)
    if len(head) < _LENGTH_BYTES:
        return None
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    text = _receive_exactly(channel, int.from_bytes(head, "little"))
    return None if text is None else (json.loads(text), list(descriptors))


def _receive_exactly(channel: socket.socket, size: int) -> bytes | None:
    parts = []
    while size:
        part = channel.recv(min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
