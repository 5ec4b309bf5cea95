"""A `Stand` on a real GPU: what a program launches is recorded in the sandbox, and launched by a process of ours.

A call meets kernels and launches as data (`bench/recorder.py`, `launches.py`), one record for each shape; the program's own
Python runs in the sandbox, where there is no GPU. So the clock, the stream, the wait for the end and the buffers are
all on this side.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from evaluators.contract import Limits, Program
from evaluators.kernels.bench.client import Bench, Recorded, Reply
from evaluators.kernels.device import Device
from evaluators.kernels.gpu.driver import LIBRARY
from evaluators.kernels.roofline import Peaks
from evaluators.sandbox import control
from evaluators.sandbox.base import SandboxError
from evaluators.sandbox.linux import child_environment, module_paths

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from evaluators.kernels.gpu.process import main; main()"
)
_START_TIMEOUT_S = 120.0
_LEAST_TIMEOUT_S = 30.0
_RAISED = 70

Record: TypeAlias = Callable[[Program, str, Sequence[Mapping[str, Any]]], Recorded]
Plan: TypeAlias = Sequence[Sequence[Mapping[str, Any]]]


class _GoneError(Exception):
    """The process ended, or did not answer in time (`is_late`)."""

    def __init__(self, *, is_late: bool) -> None:
        super().__init__("late" if is_late else "gone")
        self.is_late = is_late


class GpuProcess:
    """A process with a context on the GPU. Close it.

    Raises:
        SandboxError: there is no GPU, or it cannot be used.
    """

    def __init__(self, library: str = LIBRARY) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, json.dumps(module_paths()), str(theirs.fileno())],
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        self._channel = ours
        try:
            self.about = self.ask({"library": library}, timeout_s=_START_TIMEOUT_S)
        except _GoneError as error:
            raise SandboxError("the process for the GPU does not start") from error
        if "missing" in self.about:
            self.close()
            raise SandboxError(f"the GPU cannot be used: {self.about['missing']}")

    def ask(self, request: object, descriptors: Sequence[int] = (), *, timeout_s: float) -> dict[str, Any]:
        """Returns the answer to a request.

        Raises:
            _GoneError: there is none.
        """
        self._channel.settimeout(timeout_s)
        try:
            control.send(self._channel, request, descriptors)
            received = control.receive(self._channel)
        except TimeoutError as error:
            self.close()
            raise _GoneError(is_late=True) from error
        except OSError as error:
            self.close()
            raise _GoneError(is_late=False) from error
        if received is None:
            self.close()
            raise _GoneError(is_late=False)
        answer: dict[str, Any] = received[0]
        return answer

    def close(self) -> None:
        """Ends the process. May be called twice."""
        self._channel.close()
        self._process.kill()
        self._process.wait()


@dataclass(slots=True)
class _Child:
    process: GpuProcess
    program: Program
    function: str
    recipes: dict[str, int] = field(default_factory=dict)
    calls: list[tuple[int, list[tuple[int, int]]]] = field(default_factory=list)


class GpuStand:
    """A `Stand`.

    Args:
        record: returns what a program launches for arguments of some shapes; raises SandboxError.
        limits: memory_mib bounds scratch memory; wall_s a request.
        library: of the driver.
    """

    def __init__(self, record: Record, *, limits: Limits, library: str = LIBRARY) -> None:
        self._record, self._limits, self._library = record, limits, library
        self._children: dict[int, _Child] = {}
        self._records: dict[str, Recorded] = {}

    def spawn(
        self,
        number: int,
        program: Program,
        function: str,
        *,
        regions: Sequence[tuple[int, int, bool]],
        descriptors: tuple[int, int],
        cpu: int | None = None,
        is_ghost: bool = False,
    ) -> Reply:
        """Starts a process with a context of its own, and gives it the buffers."""
        self.end(number)
        begun = time.monotonic_ns()
        process = GpuProcess(self._library)
        self._children[number] = _Child(process, program, function)
        sizes = [os.fstat(fd).st_size for fd in descriptors]
        request = {"do": "start", "regions": [list(region) for region in regions], "sizes": sizes}
        reply = self._reply(number, request, descriptors)
        if not reply.is_ok:
            raise SandboxError(f"the GPU does not take the buffers: {reply.log or reply.status}")
        return Reply("ok", cpu_ns=time.monotonic_ns() - begun)

    def call(self, number: int, plan: Plan | None = None) -> Reply:
        """Makes calls, after what they launch was recorded where it is not known yet."""
        child = self._children[number]
        if plan is not None:
            child.calls = []
            for one in plan:
                reply = self._prepare(number, child, one)
                if reply is not None:
                    return reply
        return self._reply(number, {"do": "call", "calls": child.calls})

    def settle(self, number: int) -> None:
        """Reads the outputs again, where the process is still there."""
        if number in self._children:
            self._reply(number, {"do": "settle"})

    def end(self, number: int) -> None:
        """Ends a process, if it is still there."""
        child = self._children.pop(number, None)
        if child is not None:
            child.process.close()

    def close(self) -> None:
        """Ends all processes."""
        for number in list(self._children):
            self.end(number)

    def _prepare(self, number: int, child: _Child, plan: Sequence[Mapping[str, Any]]) -> Reply | None:
        """Adds a call to the child's; returns how recording or loading failed, None if it did not."""
        arguments, places, sizes = [], [], []
        for item in plan:
            if "region" in item:
                alignment = item["offset"] % 16
                arguments.append({"shape": item["shape"], "dtype": item["dtype"], "alignment": alignment})
                places.append((int(item["region"]), int(item["offset"])))
                sizes.append(math.prod(item["shape"]) * np.dtype(item["dtype"]).itemsize + alignment)
            else:
                arguments.append({"value": item["value"]})
        key = json.dumps(arguments)
        if key not in child.recipes:
            whole = f"{child.program.id}/{child.function}/{key}"
            if whole not in self._records:
                self._records[whole] = self._record(child.program, child.function, arguments)
            recorded = self._records[whole]
            if recorded.launches is None:
                status = "timeout" if recorded.timed_out else "died"
                return Reply(status, code=_RAISED, log=recorded.log)
            request = {
                "do": "load",
                "recipe": recorded.launches,
                "buffer_bytes": sizes,
                "memory_bytes": self._limits.memory_mib << 20,
            }
            reply = self._reply(number, request)
            if not reply.is_ok:
                return reply
            child.recipes[key] = len(child.recipes)
        child.calls.append((child.recipes[key], places))
        return None

    def _reply(self, number: int, request: Mapping[str, Any], descriptors: Sequence[int] = ()) -> Reply:
        try:
            answer = self._children[number].process.ask(
                request, descriptors, timeout_s=max(_LEAST_TIMEOUT_S, self._limits.wall_s)
            )
        except _GoneError as error:
            self.end(number)
            return Reply(
                "timeout" if error.is_late else "died", signal=0 if error.is_late else signal.SIGKILL
            )
        if answer.get("status") == "died":
            self.end(number)
            return Reply("died", signal=signal.SIGSEGV, log=answer["log"])
        if answer.get("status") == "refused":
            return Reply("died", code=_RAISED, log=answer["log"])
        return Reply(
            answer.get("status", "ok"), wall_ns=answer.get("wall_ns", 0), event_ns=answer.get("event_ns", 0)
        )


def find(limits: Limits, options: Mapping[str, Any], *, library: str = LIBRARY) -> Device | None:
    """Returns the first GPU of this machine, None where there is none.

    Args:
        limits: of the problem.
        options: tier, unsafe and hangup_fd of the sandbox that programs are recorded in.
        library: of CUDA's driver.
    """
    try:
        ctypes.CDLL(library)
        process = GpuProcess(library)
    except (OSError, SandboxError):
        return None
    about = process.about
    process.close()

    @contextlib.contextmanager
    def opened() -> Iterator[GpuStand]:
        bench = Bench("triton", limits=limits, **options)
        stand = GpuStand(
            lambda program, function, arguments: bench.record(
                program, function, arguments, arch=about["arch"]
            ),
            limits=limits,
            library=library,
        )
        try:
            yield stand
        finally:
            stand.close()
            bench.close()

    def peaks() -> Peaks:
        rate = float(about["bandwidth"])
        return Peaks(0.0, ((1 << 62, rate),) if rate else ())

    return Device(f"{about['name']} ({about['arch'] / 10:.1f})", "code-discovery-timing-gpu-0", opened, peaks)
