"""The zygote: a warm process that forks one child per case, and ends what they leave behind.

It is executed afresh (never forked from the judge) and is handed the half of the problem that programs may
see, so that there is nothing in its memory that a child must not read. Programs, inputs and outputs pass it
by: the judge hands over the ends of three pipes, and talks to the child through them.

Requests: {"do": "spawn", "limits": [...]} with three descriptors, no answer; {"do": "watch"} and {"do":
"reap"}. What goes wrong in our own work on a folder ends the zygote, and the judge starts another.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from evaluators.sandbox import child, control, prepare, restart, selftest, sweep
from evaluators.sandbox.locks import kernel, lock

LOCK_FAILED = 72
"""Exit code of a child that could not lock itself; it has read nothing then."""

_RESERVE_BYTES = 1 << 20
_MAX_LOCKS = 64


class Zygote:
    """Forks and reaps; one child at a time."""

    def __init__(self, ready: prepare.Ready) -> None:
        self._ready = ready
        self._extras = child.wanted_extras(ready.run)
        self._locks: dict[tuple[Any, ...], tuple[lock.ChildLimits, lock.Lock]] = {}
        self._pid = 0
        self._limits: lock.ChildLimits | None = None
        self._fault = ""
        self._folder = ""
        self._reserve = [bytearray(_RESERVE_BYTES)]

    def spawn(self, limits: tuple[Any, ...], channel: tuple[int, int, int]) -> None:
        """Forks a child with these `lock.ChildLimits`; a failure shows when it is reaped."""
        self._limits, locks = self._locks_for(limits)
        self._pid, self._fault = 0, ""
        lock.park(channel)
        try:
            self._folder = self._ready.folders.make()
            self._pid = self._ready.fork()
        except OSError as error:
            self._fault = f"cannot fork: {error.strerror}"
        if self._pid == 0 and not self._fault:
            self._be_child(locks)
        lock.unpark()

    def watch(self) -> dict[str, Any]:
        """Returns what the child uses: CPU seconds of its tree, bytes of the scratch folder."""
        if not self._pid or self._limits is None:
            return {"cpu_s": 0.0, "scratch_bytes": 0}
        used = self._ready.folders.used_bytes(self._folder, self._pid)
        return {"cpu_s": self._cpu_s(), "scratch_bytes": used}

    def reap(self, grace_s: float) -> dict[str, Any]:
        """Ends the child and all it started, removes its scratch folder; returns how the child ended."""
        if not self._pid or self._limits is None:
            self._remove_folder()
            return {"fault": self._fault or "there is no child"}
        ended = self._ended_within(grace_s)
        if ended is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            _, status, usage = os.wait4(self._pid, 0)
        else:
            status, usage = ended
        pid, self._pid = self._pid, 0
        left = self._sweep(pid)
        self._remove_folder()
        return {
            "fault": f"{left} processes could not be killed" if left else "",
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0,
            "was_killed": ended is None,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_kib": usage.ru_maxrss if kernel.IS_LINUX else usage.ru_maxrss // 1024,
        }

    def close(self) -> None:
        """Ends what is left and removes the scratch folder."""
        if self._pid:
            self.reap(0.0)
        self._ready.folders.close()

    def _remove_folder(self) -> None:
        folder, self._folder = self._folder, ""
        if folder:
            self._ready.folders.remove(folder)

    def _be_child(self, locks: lock.Lock) -> NoReturn:
        try:
            locks.close(self._folder)
        except BaseException:  # noqa: BLE001 - no program may run in a process that is not locked
            os._exit(LOCK_FAILED)
        try:
            if not self._ready.has_one_thread:
                child.seed_generators()  # os.fork has seeded one of them at random
            child.serve(self._ready.run, self._extras, self._reserve)
        finally:
            os._exit(0)

    def _locks_for(self, limits: tuple[Any, ...]) -> tuple[lock.ChildLimits, lock.Lock]:
        if limits not in self._locks:
            if len(self._locks) >= _MAX_LOCKS:
                self._locks.clear()
            named = lock.ChildLimits(*limits)
            self._locks[limits] = named, lock.Lock(self._ready.plan, named)
        return self._locks[limits]

    def _cpu_s(self) -> float:
        if self._limits is not None and self._limits.processes > 1 and self._ready.plan.has_proc:
            from evaluators.sandbox import tree

            return tree.cpu_seconds(self._pid)
        if not kernel.IS_LINUX:
            return 0.0
        try:
            return time.clock_gettime(
                (~self._pid << 3) | 2
            )  # the CPU clock of a process: clock_getcpuclockid(3)
        except OSError:
            return 0.0

    def _ended_within(self, grace_s: float) -> tuple[int, resource.struct_rusage] | None:
        """Returns how the child ended by itself and what it used, None if it did not in time."""
        deadline = time.monotonic() + grace_s
        while True:
            pid, status, usage = os.wait4(self._pid, os.WNOHANG)
            if pid:
                return status, usage
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            select.select([], [], [], min(left, 0.0005))

    def _sweep(self, pid: int) -> int:
        """Ends what a child may have left behind; returns how many processes are still there."""
        plan = self._ready.plan
        if plan.has_filter and self._limits is not None and self._limits.processes == 1:
            return 0
        return sweep.end_tree(plan, pid)


def _warm_up(request: Mapping[str, Any]) -> Callable[..., Any]:
    """Imports what programs will want, and the half of the problem that may live beside them."""
    for name in ("numpy", "numpy.random", "numpy.linalg", *request["preload"]):
        importlib.import_module(name)
    from evaluators.source.files import SourceFiles
    from evaluators.source.modules import import_source

    run: Callable[..., Any] = import_source(SourceFiles(**request["source"])).run
    child.warm_up()
    child.seed_generators()
    return run


def main() -> None:
    """Serves the judge on the descriptor that the last argument names, until it goes away."""
    channel = control.adopt(lock.PARKED[-1] + 1)
    request = _first_request(channel)
    if request is None:
        return
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    try:
        ready = prepare.prepare(request, _warm_up)
    except prepare.PrepareError as error:
        control.send(channel, {"missing": str(error)})
        return
    except ModuleNotFoundError as error:
        key = "lacks" if restart.has_happened() else "fault"
        control.send(channel, {key: f"ModuleNotFoundError: {error}", "module": error.name or ""})
        return
    except Exception as error:  # noqa: BLE001 - the outermost loop of a worker: the judge must learn why
        control.send(channel, {"fault": f"{type(error).__name__}: {error}"})
        return
    zygote = Zygote(ready)
    try:
        fault = "" if request["unsafe"] or not kernel.IS_LINUX else selftest.check(ready)
        if fault:
            control.send(channel, {"missing": f"a lock does not hold: {fault}"})
            return
        extras = sorted(child.wanted_extras(ready.run))
        control.send(channel, {"layers": ready.layers, "scratch": ready.plan.scratch, "extras": extras})
        _serve(zygote, channel)
    finally:
        zygote.close()


def _first_request(channel: socket.socket) -> Mapping[str, Any] | None:
    if restart.has_happened():
        return restart.request()
    first = control.receive(channel)
    return None if first is None else first[0]


def _serve(zygote: Zygote, channel: socket.socket) -> None:
    while (received := control.receive(channel)) is not None:
        request, descriptors = received
        if request["do"] == "spawn":
            read_fd, answer_fd, log_fd = descriptors
            zygote.spawn(tuple(request["limits"]), (read_fd, answer_fd, log_fd))
        elif request["do"] == "watch":
            control.send(channel, zygote.watch())
        else:
            control.send(channel, zygote.reap(request["grace_s"]))


if __name__ == "__main__":
    main()
