"""The side that opens a jail: it hands files and a command in, holds the jail's two doors, and takes the files out again.

    with open_jail(order) as jail:      # doors[0], doors[1] listen on the jail's own loopback, and are accepted here
        ...
        ended = jail.wait(stop)         # how the command ended; nothing of it runs any more after the block
        files = jail.files()

Exceptions:
    JailError    there can be no jail here, or it failed; the message says what to do
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from evaluators.sandbox import control, tree
from evaluators.sandbox.linux import child_environment, module_paths

MAX_FILES, MAX_FILE_BYTES, MAX_DEPTH = 256, 1 << 20, 8
"""What is read out of a jail."""
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from evaluators.sandbox.jail.inside import main; main()"
_START_S = 60.0
_LOOK_S = 0.2
_OUTPUT_BYTES = 512 * 1024
_READ_BYTES = 1 << 16


class JailError(Exception):
    """There can be no jail here, or it failed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class JailOrder:
    """What a jail is to hold.

    Attributes:
        command: what is started; its name is looked up in the jail's PATH.
        environment: all of its environment.
        files: the files of the program's folder, by relative path.
        ports: two ports of the jail's loopback on which we listen.
        tools: files in /jail: name, text, mode.
        readable: files and folders of the machine that it may read, beside the system and this interpreter.
        hidden: what it must not see even there.
        scratch_mib: how much its folder holds.
        memory_mib: how much memory its processes may take together.
        wall_s: how long it may work.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    ports: tuple[int, int]
    tools: Sequence[tuple[str, str, int]] = ()
    readable: Sequence[str] = ()
    hidden: Sequence[str] = ()
    scratch_mib: int = 256
    memory_mib: int = 4096
    wall_s: float = 600.0


@dataclass(slots=True)
class Jail:
    """A jail whose command runs.

    Attributes:
        doors: the two listening sockets, in the order of the ports.
    """

    order: JailOrder
    doors: tuple[socket.socket, socket.socket]
    _process: subprocess.Popen[bytes]
    _channel: socket.socket
    _work: int
    _output: _Output
    _begun_s: float = field(default_factory=time.monotonic)

    def wait(self, stop: Callable[[], bool]) -> str:
        """Waits until the command ends, or ends it; returns how: "exit code 0", "out of time", "out of memory" or "stopped".

        Args:
            stop: says whether it is to be ended before its time.
        """
        while True:
            if select.select([self._channel], [], [], _LOOK_S)[0]:
                received = None
                with contextlib.suppress(OSError, ValueError):
                    received = control.receive(self._channel)
                return "it died" if received is None else f"exit code {received[0].get('code')}"
            if stop():
                return "stopped"
            if time.monotonic() - self._begun_s > self.order.wall_s:
                return "out of time"
            if tree.memory_mib(self._process.pid) > self.order.memory_mib:
                return "out of memory"

    def end(self) -> None:
        """Ends all that runs in the jail; its folder can be read still."""
        self._channel.close()  # its first process sees that, and goes; the kernel ends the others
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.thread.join(timeout=5)

    @property
    def output(self) -> str:
        """What the command wrote, the middle left out where it is long."""
        return self._output.text

    def files(self) -> dict[str, str]:
        """Returns the plain text files of the program's folder by relative path; no link is followed.

        What is hidden (.git), no text, too long or too deep is left out, and so is all beyond `MAX_FILES`.
        """
        found: dict[str, str] = {}
        _collect(self._work, "", found, 0)
        return found


def why_not() -> str:
    """Returns why there can be no jail on this machine; "" where there can. Opens one to find out."""
    order = JailOrder(("true",), {"PATH": "/usr/bin:/bin"}, {}, (8001, 8002), wall_s=60)
    try:
        with open_jail(order) as jail:
            ended = jail.wait(lambda: False)
            return "" if ended == "exit code 0" else f"its trial ended with {ended}: {jail.output[:200]}"
    except JailError as error:
        return str(error)


@contextmanager
def open_jail(order: JailOrder) -> Iterator[Jail]:
    """Yields a jail in which the command runs; after the block nothing is left of it.

    Raises:
        JailError: a wall is missing.
    """
    if not sys.platform.startswith("linux"):
        raise JailError(
            "agents run in a jail of namespaces, which only Linux has; leave the operator `agent` out"
        )
    ours, theirs = socket.socketpair()
    read_fd, write_fd = os.pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT, json.dumps(module_paths()), str(theirs.fileno())],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            cwd="/",
            start_new_session=True,
        )
    output = _Output(read_fd)
    held: list[int] = []
    try:
        ours.settimeout(_START_S)
        try:
            control.send(ours, asdict(order), (write_fd,))
        finally:
            os.close(write_fd)
        try:
            received = control.receive(ours)
        except (OSError, ValueError):
            received = None
        if received is None:
            raise JailError("the jail did not open")
        held = received[1]
        if "refused" in received[0] or len(held) != 3:
            reason = str(received[0].get("refused", "it handed out no doors"))
            raise JailError(
                f"no jail can be opened here: {reason}; agents need root, or unprivileged user namespaces"
            )
        ours.settimeout(None)
        doors = (socket.socket(fileno=held[1]), socket.socket(fileno=held[2]))
        del held[1:]
        with doors[0], doors[1]:
            jail = Jail(order, doors, process, ours, held[0], output)
            try:
                yield jail
            finally:
                jail.end()
    finally:
        ours.close()
        for fd in held:
            os.close(fd)
        if process.poll() is None:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        output.thread.join(timeout=5)


def find_command(name: str) -> str | None:
    """Returns the path of a command of this machine, None where there is none."""
    return shutil.which(name)


class _Output:
    """Reads what a command writes to its end, and keeps the beginning and the end of it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._head, self._tail, self._left_out = bytearray(), bytearray(), 0
        self.thread = threading.Thread(target=self._read, name="jail-output", daemon=True)
        self.thread.start()

    @property
    def text(self) -> str:
        """What it wrote so far."""
        middle = f"\n... {self._left_out} bytes left out ...\n" if self._left_out else ""
        return self._head.decode("utf-8", "replace") + middle + self._tail.decode("utf-8", "replace")

    def _read(self) -> None:
        half = _OUTPUT_BYTES // 2
        with os.fdopen(self._fd, "rb", buffering=0) as pipe:
            while part := pipe.read(_READ_BYTES):
                room = half - len(self._head)
                self._head += part[:room] if room > 0 else b""
                self._tail += part[max(room, 0) :]
                if (over := len(self._tail) - half) > 0:
                    del self._tail[:over]
                    self._left_out += over


def _collect(folder: int, prefix: str, found: dict[str, str], depth: int) -> None:
    """Reads the files of an open folder and of those below it. Whatever lies there is foreign."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if name.startswith(".") or name == "__pycache__" or len(found) >= MAX_FILES:
            continue
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        try:
            fd = os.open(name, flags, dir_fd=folder)
        except OSError:  # a link, or what cannot be opened
            continue
        try:
            status = os.fstat(fd)
            path = f"{prefix}{name}"
            if stat.S_ISDIR(status.st_mode) and depth < MAX_DEPTH:
                _collect(fd, f"{path}/", found, depth + 1)
            elif stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES:
                with contextlib.suppress(UnicodeDecodeError, OSError):
                    path.encode()
                    found[path] = _read_all(fd).decode("utf-8")
        except UnicodeEncodeError:  # a name that is no text
            continue
        finally:
            os.close(fd)


def _read_all(fd: int) -> bytes:
    parts, left = [], MAX_FILE_BYTES
    while left and (part := os.read(fd, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
