"""Whether the locks hold, found out by trying: a locked child does what it must not be able to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from evaluators.sandbox import prepare
from evaluators.sandbox.locks import kernel, lock, private_files

_LIMITS = lock.ChildLimits(cpu_s=5, memory_mib=64, scratch_mib=1, processes=1, native=False)


def check(ready: prepare.Ready) -> str:
    """Returns what a locked child could do though it must not, "" if nothing."""
    read_fd, write_fd = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    locks = lock.Lock(ready.plan, _LIMITS)
    folder = ready.folders.make()
    lock.park((null, write_fd, os.dup(null)))
    if ready.own_pid_namespace is not None:
        kernel.unshare(kernel.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        try:
            locks.close(folder)
            os.write(lock.OUT_FD, (", ".join(_broken(ready)) or "none").encode())
        except OSError as error:
            os.write(lock.PARKED[1], f"{error}".encode())
        finally:
            os._exit(0)
    if ready.own_pid_namespace is not None:
        kernel.setns(ready.own_pid_namespace, kernel.CLONE_NEWPID)
    lock.unpark()
    with os.fdopen(read_fd, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(pid, 0)
    ready.folders.remove(folder)
    return "" if answer == "none" else answer or "the trial said nothing"


def _broken(ready: prepare.Ready) -> list[str]:
    me = os.getpid()
    forbidden: dict[str, Callable[[], object]] = {
        "a file outside can be read": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "/proc can be read": lambda: os.open("/proc/self/status", os.O_RDONLY),
        "a file outside can be made": lambda: os.open("/tmp/discovery-selftest", os.O_CREAT | os.O_WRONLY),
        "a socket can be made": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "another process can be signalled": lambda: os.kill(me + 1 if me == 1 else os.getppid(), 0),
        "a process can be started": _fork,
        "a program can be executed": lambda: os.execv("/bin/true", ["true"]),
        "the user can be changed": lambda: os.setresuid(0, 0, 0),
    }
    if private_files.is_inside():
        forbidden["a file of the machine is in sight"] = lambda: os.stat("/var")
        forbidden["the zygote's /proc is in sight"] = lambda: os.stat(f"{private_files.proc()}/self")
    found = []
    for what, attempt in forbidden.items():
        try:
            attempt()
        except OSError:
            continue
        found.append(what)
    return found


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
