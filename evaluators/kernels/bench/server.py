"""The bench process: forks, wakes, times and freezes kernels' children. It holds no oracle, no seed, no answer.

The clock is here, in a process that no kernel shares. A call is: wake the child, write a nonce, wait for the nonce,
stop the child, and only then read the clocks; so what a child does after its reply is on its bill, and once it is
stopped it can change nothing. A child is one process with one thread: seccomp denies it more.

Requests: compile, profile, record, fetch, load, spawn (with two descriptors), call, end. One answer each.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from evaluators.kernels.bench import child as harness
from evaluators.kernels.bench import compiler, mapping, profiler, recorder, warmth
from evaluators.sandbox import control, prepare, selftest, sweep
from evaluators.sandbox.locks import kernel, landlock, lock, memory

_LOG_BYTES = 1 << 16
_REPLY_BYTES = 8
_CPU_LIMIT_S = 600.0
_RECORDER_LIMITS = lock.ChildLimits(cpu_s=60, memory_mib=4096, scratch_mib=64, processes=16, native=True)
_RECORDER_TIMEOUT_S = 60.0


@dataclass(slots=True)
class _Child:
    """One child, stopped except while a request about it is under way."""

    pid: int
    write_fd: int
    read_fd: int
    log_fd: int
    folder: str
    log: bytearray = field(default_factory=bytearray)


class _Closing(Protocol):
    """Locks that a child closes behind itself, see `lock.Lock`."""

    def close(self, folder: str) -> None: ...


class Bench:
    """Serves the judge's requests, one at a time."""

    def __init__(self, ready: prepare.Ready, *, language: str, is_sanitized: bool) -> None:
        self._ready = ready
        readable = () if language == "c" else landlock.readable_paths(native=False)
        plan = ready.plan
        if plan.ruleset is not None:
            plan = replace(plan, ruleset=landlock.build(plan.scratch, native=False, readable=readable))
        self.plan = plan
        self._compile_plan = compiler.plan_for(ready.plan)
        if is_sanitized:
            self.plan = replace(self.plan, data_bytes=memory.mapped_bytes(resource.RLIMIT_DATA))
        self._locks: dict[tuple[bool, int], lock.Lock] = {}
        self._children: dict[int, _Child] = {}
        self._product = b""

    def compile(self, request: Mapping[str, Any], _: list[int]) -> dict[str, Any]:
        """Compiles files; keeps the product for the children to come."""
        locks = self._lock(self._compile_plan, compiler.LIMITS, is_compiler=True)

        def become_compiler() -> None:
            compiler.execute(request["files"], request["command"])

        answer, product = self._run_tool(locks, become_compiler, compiler.TIMEOUT_S, compiler.PRODUCT)
        self._product = product
        return {**answer, "bytes": len(product)}

    def profile(self, request: Mapping[str, Any], _: list[int]) -> dict[str, Any]:
        """Runs the product, an executable, under valgrind; returns its report."""
        inputs = [base64.b64decode(part) for part in request["inputs"]]

        def become_valgrind() -> None:
            profiler.execute(request["valgrind"], request["function"], self._product, inputs)

        locks = profiler.Lock(self._ready.plan)
        answer, report = self._run_tool(
            locks, become_valgrind, profiler.TIMEOUT_S, profiler.REPORT, profiler.MAX_REPORT_BYTES
        )
        return {**answer, "report": report.decode(errors="replace")}

    def record(self, request: Mapping[str, Any], _: list[int]) -> dict[str, Any]:
        """Runs a program on tensors without memory; returns what it launches, compiled for a GPU."""
        plan = self._ready.plan
        if plan.ruleset is not None:
            plan = replace(plan, ruleset=self._native_rules)
        sources = warmth.recorder_sources()

        def become_recorder() -> None:
            recorder.execute(sources, sys.path, request["request"])

        answer, record = self._run_tool(
            lock.Lock(plan, _RECORDER_LIMITS),
            become_recorder,
            _RECORDER_TIMEOUT_S,
            recorder.RESULT,
            recorder.MAX_RESULT_BYTES,
        )
        return {**answer, "record": record.decode(errors="replace")}

    @functools.cached_property
    def _native_rules(self) -> int:
        """Returns the ruleset under which the interpreter and the toolchain may be executed."""
        return landlock.build(self._ready.plan.scratch, native=True)

    def _run_tool(
        self,
        locks: _Closing,
        become: Callable[[], None],
        timeout_s: float,
        result: str,
        most_bytes: int = compiler.MAX_PRODUCT_BYTES,
    ) -> tuple[dict[str, Any], bytes]:
        """Runs a program of the system in a locked child; returns how that went, and the file it left."""
        begun = time.monotonic()
        started = self._start(locks, become)
        os.close(started.write_fd)
        has_ended = self._await_end(started, begun + timeout_s) and self._has_died(started)
        if not has_ended:
            os.kill(started.pid, signal.SIGKILL)
        status, usage = os.wait4(started.pid, 0)[1:]
        _drain(started)
        left = sweep.end_tree(self._ready.plan, started.pid)
        product = (
            compiler.read_product(started.folder, result, most_bytes) if status == 0 and has_ended else None
        )
        self._ready.folders.remove(started.folder)
        for fd in (started.read_fd, started.log_fd):
            os.close(fd)
        return {
            "fault": f"{left} processes could not be killed" if left else "",
            "is_ok": bool(product),
            "timed_out": not has_ended,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0,
            "log": started.log.decode(errors="replace"),
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "wall_s": time.monotonic() - begun,
        }, product or b""

    def fetch(self, _request: Mapping[str, Any], _: list[int]) -> dict[str, Any]:
        """Returns the product for the children to come."""
        return {"product": base64.b64encode(self._product).decode()}

    def load(self, request: Mapping[str, Any], _: list[int]) -> dict[str, Any]:
        """Takes a product for the children to come."""
        self._product = base64.b64decode(request["product"])
        return {}

    def spawn(self, request: Mapping[str, Any], descriptors: list[int]) -> dict[str, Any]:
        """Forks a child that loads the kernel; leaves it stopped."""
        number = int(request["child"])
        self.end({"child": number}, [])
        regions = [mapping.Region(*item) for item in request["regions"]]
        limits = lock.ChildLimits(
            cpu_s=_CPU_LIMIT_S,
            memory_mib=int(request["memory_mib"]) + 2 * (sum(region.size for region in regions) >> 20),
            scratch_mib=int(request["scratch_mib"]),
            processes=1,
            native=False,
            threads=False,
        )
        locks = self._lock(self.plan, limits, is_compiler=False)
        addresses: list[int] = []

        def map_buffers() -> None:
            if request["cpu"] is not None:
                os.sched_setaffinity(0, {int(request["cpu"])})
            addresses.extend(mapping.map_regions(regions, descriptors[0], descriptors[1]))

        def become_kernel() -> None:
            harness.serve(request, self._product, addresses)

        try:
            started = self._start(locks, become_kernel, map_buffers)
        except OSError as error:
            return {"status": "fault", "fault": f"cannot fork: {error.strerror}"}
        finally:
            for fd in descriptors:
                os.close(fd)
        self._children[number] = started
        return self._exchange(number, started, b"", harness.LOADED, float(request["timeout_s"]))

    def call(self, request: Mapping[str, Any], _: list[int]) -> dict[str, Any]:
        """Has a child make its planned calls; returns how that went and the times, in ns.

        A new plan comes before them and is on the same bill: inputs lie before the child while it reads it.
        """
        number = int(request["child"])
        found, timeout_s = self._children[number], float(request["timeout_s"])
        nonce = bytes.fromhex(request["nonce"])
        planned: dict[str, Any] = {"cpu_ns": 0, "wall_ns": 0}
        if request["plan"]:
            text = request["plan"].encode()
            message = b"P" + len(text).to_bytes(8, "little") + text
            planned = self._exchange(number, found, message, harness.PLANNED, timeout_s)
            if planned["status"] != "ok":
                return planned
        called = self._exchange(number, found, b"G" + nonce, nonce, timeout_s)
        if called["status"] == "ok":
            called = {**called, **{key: called[key] + planned[key] for key in ("cpu_ns", "wall_ns")}}
        return called

    def end(self, request: Mapping[str, Any], _: list[int]) -> dict[str, Any]:
        """Ends a child and removes its scratch folder."""
        found = self._children.pop(int(request["child"]), None)
        if found is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(found.pid, 0)
            self._forget(found)
        return {}

    def close(self) -> None:
        """Ends all children and removes the scratch folder."""
        for number in list(self._children):
            self.end({"child": number}, [])
        self._ready.folders.close()

    # ---- children

    def _lock(self, plan: lock.Plan, limits: lock.ChildLimits, *, is_compiler: bool) -> lock.Lock:
        key = (is_compiler, limits.memory_mib)
        if key not in self._locks:
            self._locks[key] = lock.Lock(plan, limits)
        return self._locks[key]

    def _start(
        self, locks: _Closing, serve: Callable[[], None], before: Callable[[], None] = lambda: None
    ) -> _Child:
        """Forks a child that runs `before`, locks itself and runs `serve`."""
        in_read, in_write = os.pipe()
        out_read, out_write = os.pipe()
        log_read, log_write = os.pipe()
        for fd in (out_read, log_read, in_write):
            os.set_blocking(fd, False)
        lock.park((in_read, out_write, log_write))
        folder = self._ready.folders.make(os.urandom(16).hex())  # children live side by side
        try:
            pid = self._ready.fork()
        except OSError:
            lock.unpark()
            self._ready.folders.remove(folder)
            for fd in (in_write, out_read, log_read):
                os.close(fd)
            raise
        if pid == 0:
            try:
                before()
                os.environ["TMPDIR"] = os.environ["HOME"] = folder
                locks.close(folder)
                serve()
            except OSError as error:
                os.write(2, str(error).encode())
            finally:
                os._exit(71)
        lock.unpark()
        return _Child(pid, in_write, out_read, log_read, folder)

    def _exchange(
        self, number: int, found: _Child, message: bytes, reply: bytes, timeout_s: float
    ) -> dict[str, Any]:
        """Wakes a child with a message, waits for exactly this reply, stops it, and reads the clocks."""
        clock = (~found.pid << 3) | 2  # the CPU time of all its threads: clock_getcpuclockid(3)
        cpu_before = time.clock_gettime_ns(clock)
        begun = time.monotonic_ns()
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            if message:
                os.kill(found.pid, signal.SIGCONT)
                os.write(found.write_fd, message)
        got = self._await_reply(found, begun + int(timeout_s * 1e9))
        if got is None:
            _drain(found)
            self.end({"child": number}, [])
            return {"status": "timeout", "log": _text(found)}
        os.kill(found.pid, signal.SIGSTOP)
        state = os.waitid(os.P_PID, found.pid, os.WSTOPPED | os.WEXITED)
        wall_ns = time.monotonic_ns() - begun
        if state is None or state.si_code != os.CLD_STOPPED:
            _drain(found)
            self._children.pop(number, None)
            self._forget(found)
            is_signal = state is not None and state.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            return {
                "status": "died",
                "signal": state.si_status if state is not None and is_signal else 0,
                "code": state.si_status if state is not None and not is_signal else 0,
                "log": _text(found),
            }
        cpu_ns = time.clock_gettime_ns(clock) - cpu_before
        extra = _read_some(found.read_fd, 1)
        status = "ok" if got == reply and not extra else "garbled"
        if status != "ok":
            self.end({"child": number}, [])
        return {"status": status, "cpu_ns": cpu_ns, "wall_ns": wall_ns, "log": ""}

    def _await_reply(self, found: _Child, deadline_ns: int) -> bytes | None:
        """Returns the bytes of a reply (fewer if the child has closed its channel), None if time ran out."""
        poll = select.poll()
        poll.register(found.read_fd, select.POLLIN)
        poll.register(found.log_fd, select.POLLIN)
        got = b""
        while len(got) < _REPLY_BYTES:
            left_ns = deadline_ns - time.monotonic_ns()
            if left_ns <= 0:
                return None
            for fd, _ in poll.poll(min(left_ns // 1_000_000 + 1, 1000)):
                if fd == found.log_fd:
                    if not _drain(found):
                        poll.unregister(found.log_fd)
                    continue
                part = _read_some(found.read_fd, _REPLY_BYTES - len(got))
                if part == b"":
                    return got if self._has_died(found) else None
                got += part or b""
        return got

    @staticmethod
    def _has_died(found: _Child) -> bool:
        """Returns whether a child that closed its channel ends within a moment; it is left to be reaped."""
        deadline = time.monotonic() + 0.25
        while time.monotonic() < deadline:
            if os.waitid(os.P_PID, found.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                return True
            select.select([], [], [], 0.001)
        return False

    @staticmethod
    def _await_end(found: _Child, deadline: float) -> bool:
        """Drains a child's log until all that could write to it is gone; returns whether that came in time."""
        poll = select.poll()
        poll.register(found.log_fd, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            if poll.poll(left * 1000) and not _drain(found):
                return True
        return False

    def _forget(self, found: _Child) -> None:
        for fd in (found.write_fd, found.read_fd, found.log_fd):
            os.close(fd)
        self._ready.folders.remove(found.folder)


def _read_some(fd: int, size: int) -> bytes | None:
    """Returns what can be read, b"" at the end, None if nothing is there yet."""
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None


def _drain(found: _Child) -> bool:
    """Takes in what a child printed, the first 64 KiB of it; returns whether more may come."""
    while True:
        data = _read_some(found.log_fd, _LOG_BYTES)
        if data is None:
            return True
        if data == b"":
            return False
        found.log += data[: max(0, _LOG_BYTES - len(found.log))]


def _text(found: _Child) -> str:
    return found.log.decode(errors="replace")


def main() -> None:
    """Serves the judge on the descriptor that the last argument names, until it goes away."""
    channel = control.adopt(lock.PARKED[-1] + 1)
    first = control.receive(channel)
    if first is None:
        return
    request = first[0]
    try:
        if request["is_sanitized"]:
            warmth.hide_sanitizer()
        ready = prepare.prepare(request, warmth.warm_up)
        bench = Bench(ready, language=request["language"], is_sanitized=request["is_sanitized"])
    except prepare.PrepareError as error:
        control.send(channel, {"missing": str(error)})
        return
    except Exception as error:  # noqa: BLE001 - the outermost loop of a worker: the judge must learn why
        control.send(channel, {"fault": f"{type(error).__name__}: {error}"})
        return
    try:
        fault = "" if request["unsafe"] else selftest.check(replace(ready, plan=bench.plan))
        if fault:
            control.send(channel, {"missing": f"a lock does not hold: {fault}"})
            return
        answer = {
            "layers": ready.layers,
            "scratch": ready.plan.scratch,
            "gcc": compiler.find(),
            "valgrind": profiler.find(),
        }
        control.send(channel, answer)
        _serve(bench, channel)
    finally:
        bench.close()
    if request["language"] == "triton":
        os._exit(0)  # its library reports what it leaks otherwise


def _serve(bench: Bench, channel: socket.socket) -> None:
    known = {
        "compile": bench.compile,
        "profile": bench.profile,
        "record": bench.record,
        "fetch": bench.fetch,
        "load": bench.load,
        "spawn": bench.spawn,
        "call": bench.call,
        "end": bench.end,
    }
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    while (received := control.receive(channel)) is not None:
        request, descriptors = received
        control.send(channel, known[request["do"]](request, descriptors))
