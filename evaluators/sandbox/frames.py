"""Messages between the judge and a child.

A message is 4 bytes length (little endian, of what follows), 1 byte kind, payload.
The judge believes nothing of what comes: lengths are checked before a payload is read, payloads are decoded
as plain data, an unknown kind ends the child.
"""

from __future__ import annotations

import os

# judge -> child
PROGRAM, INPUTS, LAST_INPUTS, REPLY = b"P", b"I", b"L", b"A"
# child -> judge
OUTPUT, REPORT, REQUEST, ERROR, REFUSED = b"O", b"R", b"Q", b"E", b"X"

FROM_CHILD = OUTPUT + REPORT + REQUEST + ERROR + REFUSED
HEADER_BYTES = 5
MAX_TEXT_BYTES = 64 * 1024
"""Size limit of ERROR and REFUSED."""


def frame(kind: bytes, payload: bytes) -> bytes:
    """Returns one message."""
    return (len(payload) + 1).to_bytes(4, "little") + kind + payload


def write_all(fd: int, data: bytes) -> None:
    """Writes all of `data` to a blocking descriptor."""
    written = os.write(fd, data)
    if written < len(data):
        view = memoryview(data)
        while written < len(data):
            written += os.write(fd, view[written:])


class Reader:
    """Reads messages from a blocking descriptor (the child's side)."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = bytearray()

    def read(self) -> tuple[bytes, bytes] | None:
        """Returns (kind, payload), None at the end of the stream."""
        buffer = self._buffer
        while len(buffer) < 4 or len(buffer) < 4 + (size := int.from_bytes(buffer[:4], "little")):
            data = os.read(self._fd, 1 << 20)
            if not data:
                return None
            buffer += data
        kind, payload = bytes(buffer[4:5]), bytes(buffer[5 : 4 + size])
        del buffer[: 4 + size]
        return kind, payload
