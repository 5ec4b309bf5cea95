"""The processes below a process: what they use, and ending all of them. The one door to psutil."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import psutil

from evaluators.sandbox.locks import private_files

psutil.PROCFS_PATH = private_files.proc()


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process and its descendants that are still there."""
    total = 0.0
    for process in _family(pid):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_mib(pid: int) -> float:
    """Returns the memory that a process and its descendants hold together, shared pages counted each time."""
    total = 0
    for process in _family(pid):
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total / (1 << 20)


def kill_descendants(timeout_s: float = 5.0) -> int:
    """Kills everything below this process, their subreaper; returns how many are left (usually 0).

    Repeats until nothing is left, since a process may fork while it is being looked for.
    """
    me = psutil.Process()
    deadline = time.monotonic() + timeout_s
    while True:
        left = me.children(recursive=True)
        for process in left:
            with contextlib.suppress(psutil.Error, OSError):
                os.kill(process.pid, signal.SIGKILL)
        reap_orphans()
        if not left or time.monotonic() > deadline:
            return len(left)


def reap_orphans() -> None:
    """Collects the children of this process that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def count_tasks(uid: int) -> int:
    """Returns how many threads the processes of a user have (what its process limit counts)."""
    total = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().real == uid:
                total += process.num_threads()
    return total


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
