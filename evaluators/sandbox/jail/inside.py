"""What the first processes of a jail do: they go into namespaces of their own, put up the walls, and start the command.

The first one only waits. Its child is process 1 of the jail: it makes the file system and two listening sockets in the jail's own network,
hands these out to whoever opened the jail, starts the command as another user without any right, and ends with it; with it ends
everything else in the jail. The key of a model is in neither, nor in their environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from evaluators.sandbox import control
from evaluators.sandbox.jail import filters, walls
from evaluators.sandbox.locks import kernel
from evaluators.sandbox.prepare import take_uid

_SPACES = (
    kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWPID
)
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_LOOK_S = 0.5
_MAX_PROCESSES, _MAX_OPEN_FILES = 1024, 4096


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def main() -> NoReturn:
    """Opens a jail for the process on the other end of the channel that the last argument names."""
    channel = control.adopt(64)
    received = control.receive(channel)
    if received is None:
        sys.exit(0)
    request: Mapping[str, Any] = received[0]
    output = received[1][0]
    try:
        guard, uid = take_uid()  # before the network namespace, in which the lock's name would mean nothing
        if os.geteuid() == 0 and uid is None:
            raise walls.WallError("root lacks the rights to become another user (SETUID, SETGID, CHOWN)")
        _enter()
        pid = os.fork()
    except (OSError, walls.WallError) as error:
        _refuse(channel, error)
    if pid:
        channel.close()
        os.close(output)
        os.waitpid(pid, 0)
        del guard  # held until here
        os._exit(0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    _be_first(channel, request, output, os.geteuid() if uid is None else uid)


def _enter() -> None:
    if os.geteuid() == 0:
        kernel.unshare(_SPACES)
        return
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(_SPACES | kernel.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _be_first(channel: socket.socket, request: Mapping[str, Any], output: int, uid: int) -> NoReturn:
    """Is process 1 of the jail."""
    try:
        walls.build(
            readable=request["readable"],
            hidden=request["hidden"],
            tools=[(name, text, mode) for name, text, mode in request["tools"]],
            uid=uid,
            scratch_mib=request["scratch_mib"],
        )
        socket.sethostname("jail")
        _raise_loopback()
        doors = [_listen(port) for port in request["ports"]]
        for path, text in request["files"].items():
            _write_file(path, text, uid)
        work = os.open(walls.WORK, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        pid = os.fork()
    except (OSError, walls.WallError) as error:
        _refuse(channel, error)
    if pid == 0:
        _become_command(request, output, uid)
    os.close(output)
    control.send(channel, {}, (work, *(door.fileno() for door in doors)))
    for door in doors:
        door.close()
    os.close(work)
    _wait(channel, pid)


def _wait(channel: socket.socket, pid: int) -> NoReturn:
    """Waits for the command, or for the end of whoever opened the jail; collects orphans."""
    ended = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(channel, select.POLLIN)
    while True:
        found = {fd for fd, _ in poll.poll(1000 * _LOOK_S)}
        if channel.fileno() in found:
            os._exit(0)  # and the kernel ends all that is left here
        with contextlib.suppress(ChildProcessError):
            while (done := os.waitpid(-1, os.WNOHANG))[0]:
                if done[0] == pid:
                    control.send(channel, {"code": os.waitstatus_to_exitcode(done[1])})
                    os._exit(0)


def _become_command(request: Mapping[str, Any], output: int, uid: int) -> NoReturn:
    try:
        os.setsid()
        null = os.open("/dev/null", os.O_RDONLY)
        for fd, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(fd, target)
        kernel.syscall(kernel.SYS_CLOSE_RANGE, 3, 0xFFFFFFFF, 0)
        os.chdir(walls.WORK)
        os.umask(0o022)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_OPEN_FILES, _MAX_OPEN_FILES))
        if os.geteuid() == 0:
            resource.setrlimit(resource.RLIMIT_NPROC, (_MAX_PROCESSES, _MAX_PROCESSES))
            kernel.drop_bounding_set(0)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.drop_bounding_set(0)
        header, sets = kernel.capability_sets(0, is_inheritable=False)
        kernel.syscall(kernel.SYS_CAPSET, ctypes.byref(header), sets)
        code = filters.filter_code(kernel.MACHINE)
        held = ctypes.create_string_buffer(code, len(code))
        program = _FilterProgram(len(code) // 8, ctypes.addressof(held))
        kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.byref(program))
        os.execvpe(request["command"][0], request["command"], request["environment"])
    except OSError as error:
        os.write(2, f"the command cannot be started in the jail: {request['command'][0]}: {error}\n".encode())
    except BaseException as error:  # noqa: BLE001 - whatever it is, nothing of us may go on in here
        os.write(2, f"the jail failed: {type(error).__name__}: {error}\n".encode())
    os._exit(127)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        flags = struct.unpack("16sH14x", fcntl.ioctl(probe, _SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0)))[
            1
        ]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _listen(port: int) -> socket.socket:
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.bind(("127.0.0.1", port))
    door.listen(64)
    return door


def _write_file(path: str, text: str, uid: int) -> None:
    """Writes a file of the program into its folder, which is empty and which nobody else can reach yet."""
    parts = path.split("/")
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise walls.WallError(f"a program's file must lie in its folder, got {path!r}")
    at = walls.WORK
    for part in parts[:-1]:
        at = f"{at}/{part}"
        if not os.path.isdir(at):
            os.mkdir(at, 0o755)
            os.chown(at, uid, uid)
    fd = os.open(f"{at}/{parts[-1]}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(fd, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        os.fchown(fd, uid, uid)
        file.write(text)


def _refuse(channel: socket.socket, error: Exception) -> NoReturn:
    with contextlib.suppress(OSError):
        control.send(channel, {"refused": str(error)})
    os._exit(1)
