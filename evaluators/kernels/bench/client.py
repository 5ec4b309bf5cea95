"""The judge's handle of a bench process."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import resource
import secrets
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluators.contract import Limits, Program
from evaluators.sandbox import control, scratch
from evaluators.sandbox.base import SandboxError, SandboxUnavailable
from evaluators.sandbox.linux import child_environment, module_paths

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from evaluators.kernels.bench.server import main; main()"
)
_START_TIMEOUT_S = 120.0
_SLACK_S = 30.0
_LEAST_SCRATCH_MIB = 64
_COMPILE_TIMEOUT_S = 60.0
_RECORD_TIMEOUT_S = 120.0
_SANITIZER_OPTIONS = (
    "detect_leaks=0:detect_stack_use_after_return=0:handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:"
    "allocator_may_return_null=1:quarantine_size_mb=8:print_legend=0:exitcode=99"
)
"""No leaks, which need other processes; faults stay faults, so that guard pages do as ever."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How one request to a child went.

    Attributes:
        status: "ok", "died", "timeout", "garbled" (a wrong nonce, or more than it) or "changed" (an input was written to,
            where it could be).
        cpu_ns, wall_ns: CPU time of the child, and time that passed, from its waking until it was stopped.
        event_ns: what the child says that the GPU took, its own word; 0 where there is none.
        signal, code: how it ended, where it died.
        log: what it printed, its own word; only where it did not go well.
    """

    status: str
    cpu_ns: int = 0
    wall_ns: int = 0
    signal: int = 0
    code: int = 0
    log: str = ""
    event_ns: int = 0

    @property
    def is_ok(self) -> bool:
        """Returns whether the child is stopped and waiting for the next call."""
        return self.status == "ok"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the compiler said. `size_bytes` is that of the shared object."""

    is_ok: bool
    timed_out: bool
    signal: int
    code: int
    log: str
    size_bytes: int
    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a program launches, as JSON; None where it failed, with what it said."""

    launches: Any
    timed_out: bool = False
    log: str = ""


@contextlib.contextmanager
def _whole_address_space() -> Iterator[None]:
    """Lifts this process's own bound on addresses while a bench starts, which inherits it.

    A judge's bound is for what it decodes; AddressSanitizer reserves 20 TB of addresses. Children are bounded by their locks.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


class Bench:
    """A bench process for kernels of one language. Not thread-safe.

    Args:
        language: "c", "python" or "triton" (interpreted).
        limits: memory_mib, scratch_mib and wall_s (per call, and for loading the kernel) are used.
        preload: modules that it imports once.
        sanitizer: the library of AddressSanitizer, for kernels that are built with it; the bench itself runs under it.
        tier, unsafe, hangup_fd: see LinuxSandbox.

    Raises:
        SandboxUnavailable: a layer of tier 1 is missing.
        SandboxError: it does not start.
    """

    def __init__(
        self,
        language: str,
        *,
        limits: Limits,
        preload: Sequence[str] = (),
        sanitizer: str = "",
        tier: int | None = None,
        unsafe: bool = False,
        hangup_fd: int | None = None,
    ) -> None:
        if sys.platform != "linux":
            raise SandboxUnavailable(
                "kernels are judged on Linux only: nothing else can freeze and time them"
            )
        self.language = language
        self._limits = limits
        self._hangup_fd = hangup_fd
        self._environment = child_environment()
        if sanitizer:
            self._environment |= {"LD_PRELOAD": sanitizer, "ASAN_OPTIONS": _SANITIZER_OPTIONS}
        self._request = {
            "language": language,
            "preload": list(preload),
            "is_sanitized": bool(sanitizer),
            "tier": tier,
            "unsafe": unsafe,
            "native": True,  # what the compiler makes must be executable where it is made; children may not exec
            "scratch_mib": max(limits.scratch_mib, _LEAST_SCRATCH_MIB),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._folder = ""
        self.layers: tuple[str, ...] = ()
        self.compiler = self.valgrind = ""
        self._start()

    @property
    def pid(self) -> int | None:
        """Returns the process id of the bench, None when closed."""
        return self._process.pid if self._process else None

    def compile(self, program: Program, options: Sequence[str]) -> Compiled:
        """Compiles a program into what later children load.

        Raises:
            SandboxError: there is no compiler, or the bench fails.
        """
        if not self.compiler:
            raise SandboxError("there is no gcc on this machine: install it to judge kernels in C")
        command = [self.compiler, *options, program.entry, "-o", "kernel.product", "-lm"]
        answer = self._ask(
            {"do": "compile", "files": dict(program.files), "command": command}, timeout_s=_COMPILE_TIMEOUT_S
        )
        return Compiled(
            is_ok=answer["is_ok"],
            timed_out=answer["timed_out"],
            signal=answer["signal"],
            code=answer["code"],
            log=answer["log"],
            size_bytes=answer["bytes"],
            cpu_s=answer["cpu_s"],
            wall_s=answer["wall_s"],
        )

    def profile(self, function: str, inputs: Sequence[bytes]) -> str:
        """Runs what was compiled last, an executable, under valgrind; returns callgrind's report, "" if there is none.

        `function`: what to count the instructions of. `inputs`: what the executable finds in its file of inputs.
        """
        if not self.valgrind:
            return ""
        request = {"do": "profile", "valgrind": self.valgrind, "function": function}
        parts = [base64.b64encode(part).decode() for part in inputs]
        return str(self._ask({**request, "inputs": parts}, timeout_s=_COMPILE_TIMEOUT_S)["report"])

    def record(
        self, program: Program, function: str, arguments: Sequence[Mapping[str, Any]], *, arch: int
    ) -> Recorded:
        """Returns what a program in Triton launches on a GPU of some architecture, compiled for it.

        `arguments`: of buffers, shape, dtype and alignment (of their address modulo 16); of scalars, their value.
        """
        request = {
            "files": dict(program.files),
            "entry": program.entry,
            "function": function,
            "arguments": list(arguments),
            "arch": arch,
        }
        answer = self._ask({"do": "record", "request": request}, timeout_s=_RECORD_TIMEOUT_S)
        if not answer["is_ok"]:
            return Recorded(None, answer["timed_out"], answer["log"])
        try:
            return Recorded(json.loads(answer["record"]))
        except ValueError:
            return Recorded(None, log="the record of launches is no JSON")

    def fetch(self) -> str:
        """Returns what was compiled last, for `load` of this bench or another."""
        return str(self._ask({"do": "fetch"})["product"])

    def load(self, product: str) -> None:
        """Takes what another bench, or this one before, has compiled."""
        self._ask({"do": "load", "product": product})

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
        """Starts child `number` (in the place of the one before) and has it load the program.

        `cpu`: stays there. `is_ghost`: kernels that are launched from Python do nothing.
        """
        request = {
            "do": "spawn",
            "child": number,
            "files": {} if self.language == "c" else dict(program.files),
            "entry": program.entry,
            "language": self.language,
            "function": function,
            "regions": [list(region) for region in regions],
            "cpu": cpu,
            "is_ghost": is_ghost,
            "memory_mib": self._limits.memory_mib,
            "scratch_mib": self._request["scratch_mib"],
        }
        return self._reply(request, descriptors)

    def call(self, number: int, plan: Sequence[Sequence[Mapping[str, Any]]] | None = None) -> Reply:
        """Has a child make its planned calls; `plan` tells it first where their arguments lie from now on."""
        request = {"do": "call", "child": number, "nonce": secrets.token_bytes(8).hex()}
        return self._reply({**request, "plan": json.dumps(plan) if plan else ""})

    def settle(self, number: int) -> None:
        """Does nothing: the outputs are the child's own memory."""

    def end(self, number: int) -> None:
        """Ends a child, if it is still there."""
        self._ask({"do": "end", "child": number})

    def close(self) -> None:
        """Ends the process and its children. May be called twice."""
        channel, self._channel = self._channel, None
        process, self._process = self._process, None
        if channel is not None:
            channel.close()
        if process is not None:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._folder and os.path.isdir(self._folder):
            with contextlib.suppress(OSError):
                scratch.remove(self._folder)
        self._folder = ""

    def _reply(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> Reply:
        request["timeout_s"] = self._limits.wall_s
        return Reply(**self._ask(request, descriptors, timeout_s=self._limits.wall_s + _SLACK_S))

    def _ask(
        self, request: object, descriptors: Sequence[int] = (), *, timeout_s: float = _SLACK_S
    ) -> dict[str, Any]:
        if self._channel is None:
            self._start()
        channel = self._channel
        if channel is None:
            raise SandboxError("the bench is closed")
        try:
            control.send(channel, request, descriptors)
            self._await(channel, timeout_s)
            received = control.receive(channel)
        except OSError as error:
            self.close()
            raise SandboxError(f"the bench is gone: {error}") from error
        if received is None:
            self.close()
            raise SandboxError("the bench has ended")
        answer: dict[str, Any] = received[0]
        fault = answer.pop("fault", "")
        if fault:
            self.close()
            raise SandboxError(f"the bench reports: {fault}")
        return answer

    def _await(self, channel: socket.socket, timeout_s: float) -> None:
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        if self._hangup_fd is not None:
            poll.register(self._hangup_fd, 0)
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"it said nothing for {timeout_s:g} s")
            for fd, _ in poll.poll(left * 1000):
                if fd == self._hangup_fd:
                    raise SystemExit(0)
                return

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs, _whole_address_space():
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, json.dumps(module_paths()), str(theirs.fileno())],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        self._channel = ours
        answer = self._ask(self._request, timeout_s=_START_TIMEOUT_S)
        if "missing" in answer:
            self.close()
            raise SandboxUnavailable(answer["missing"])
        self.layers = tuple(answer["layers"])
        self.compiler, self.valgrind = answer["gcc"], answer["valgrind"]
        self._folder = "" if "namespaces" in self.layers else answer["scratch"]
