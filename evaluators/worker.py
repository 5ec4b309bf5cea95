"""The judge process, and the handle of it that the main process holds.

The process is executed afresh with an empty environment. The problem's source and the secret reach it over a
pair of sockets, never through its arguments or its environment. When the other end goes away, it ends, and
with it its zygote and the program that runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any, NoReturn

from evaluators.contract import Evaluation, Incumbent, Program, Status
from evaluators.judging.alarm import on_tick
from evaluators.judging.judge import Judge, JudgeError
from evaluators.kernels.gpu import backend as stand
from evaluators.kernels.judge import KernelJudge
from evaluators.kernels.lease import Lease
from evaluators.problems.loading import ProblemError, ProblemSource, load_source, run_source
from evaluators.sandbox import control
from evaluators.sandbox.base import SandboxError, SandboxUnavailable
from evaluators.sandbox.confine import ConfineError, confine
from evaluators.sandbox.linux import Harness, LinuxSandbox, child_environment, module_paths
from evaluators.sandbox.locks import memory

_START_TIMEOUT_S = 180.0
_MEMORY_BYTES = 4 << 30
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from evaluators.worker import main; main()"
_ERRORS: dict[str, type[Exception]] = {
    "ProblemError": ProblemError,
    "JudgeError": JudgeError,
    "SandboxError": SandboxError,
    "SandboxUnavailable": SandboxUnavailable,
}


class _HungError(Exception):
    """The judge process did not answer in time."""


class _DiedError(Exception):
    """The judge process ended."""


class JudgeProcess:
    """Judges programs in a process of its own, which it restarts when it hangs or dies. One caller at a time.

    Args:
        source: how to load the problem.
        secret: what hidden cases derive from.
        unsafe: run with whatever sandbox layers there are.
        tier: 1 or 2 to ask for one, None for the best there is.
        untrusted: whether the problem's own code came from outside and is to be confined (confine.py).

    Raises:
        ProblemError: the problem cannot be loaded.
        JudgeError: the problem's cases cannot be drawn.
        SandboxUnavailable: this machine lacks a layer of tier 1 (or tier 2, if asked for).
        SandboxError: the sandbox does not start.
    """

    def __init__(
        self,
        source: ProblemSource,
        secret: bytes,
        *,
        unsafe: bool = False,
        tier: int | None = None,
        untrusted: bool = False,
    ) -> None:
        self._request: dict[str, Any] = {
            "problem": source.to_json(),
            "secret": secret.hex(),
            "unsafe": unsafe,
            "tier": tier,
            "untrusted": untrusted,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._limits: dict[str, float] = {}
        self._layers: tuple[str, ...] = ()
        self._folder = ""
        self._start()

    @property
    def layers(self) -> tuple[str, ...]:
        """Returns the sandbox layers in force."""
        return self._layers

    @property
    def pid(self) -> int | None:
        """Returns the process id of the judge, None when closed."""
        return self._process.pid if self._process else None

    def evaluate(
        self,
        program: Program,
        *,
        held_out: bool = False,
        start: Incumbent | None = None,
        timeout_s: float | None = None,
    ) -> Evaluation:
        """Returns the evaluation of `program`, which is handed `start` to improve on, if there is one.

        A judge that takes longer than `timeout_s` (default: what the problem's limits allow) or dies twice on
        the same program makes it INVALID, with that reason.

        Raises:
            JudgeError: a function of the problem fails.
            SandboxError: the sandbox fails.
        """
        request: dict[str, Any] = {"program": program.to_json(), "held_out": held_out}
        request["start"] = start.to_json() if start is not None else None
        begun = time.monotonic()
        reason = ""
        for _ in range(2):
            if self._process is None:
                self._start()
            limit_s = timeout_s or self._limits["held_out" if held_out else "plain"]
            try:
                answer = self._ask(request, limit_s)
            except _HungError:
                reason = f"the judge did not finish within {limit_s:g} s"
                break
            except _DiedError as error:
                reason = f"the judge {error} on this program"
                continue
            return Evaluation.from_json(answer["evaluation"])
        return Evaluation(Status.INVALID, reason=reason, wall_s=time.monotonic() - begun, layers=self._layers)

    def close(self) -> None:
        """Ends the process and all below it. May be called twice."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""

    def _start(self) -> None:
        if self._request["untrusted"]:
            self._folder = self._request["folder"] = tempfile.mkdtemp(prefix="discovery-judge-")
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, json.dumps(module_paths()), str(theirs.fileno())],
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the main process; it tells us by closing the channel
            )
        self._channel = ours
        try:
            answer = self._ask(self._request, _START_TIMEOUT_S)
        except _HungError:
            raise SandboxError(f"the judge did not start within {_START_TIMEOUT_S:g} s") from None
        except _DiedError as error:
            raise SandboxError(f"the judge {error} when it started") from None
        except JudgeError:
            self.close()
            raise
        self._limits = answer["limits_s"]
        self._layers = tuple(answer["layers"])

    def _ask(self, request: object, timeout_s: float) -> dict[str, Any]:
        if self._channel is None or self._process is None:
            raise SandboxError("the judge is closed")
        self._channel.settimeout(timeout_s)
        try:
            control.send(self._channel, request)
            received = control.receive(self._channel)
        except TimeoutError:
            self._kill()
            raise _HungError from None
        except OSError:
            received = None
        if received is None:
            raise _DiedError(_how(self._kill()))
        answer: dict[str, Any] = received[0]
        if "error" in answer:
            if answer["error"] != "JudgeError":
                self.close()
            raise _ERRORS[answer["error"]](answer["message"])
        return answer

    def _kill(self) -> int:
        """Kills the process (its zygote follows when its channel ends); returns its exit code."""
        process = self._process
        if process is None:
            return 0
        try:
            code = process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        self.close()
        return code


def _how(code: int) -> str:
    return f"died of {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"


# ---- inside the judge process


def main() -> NoReturn:
    """Serves the main process on the descriptor that the last argument names, until that goes away."""
    channel = socket.socket(fileno=int(sys.argv[2]))
    poll = select.poll()
    poll.register(channel, 0)  # reports only that the other end is gone

    def leave_if_alone() -> None:
        if poll.poll(0):
            raise SystemExit(0)

    on_tick(leave_if_alone)
    sandbox: LinuxSandbox | KernelJudge | None = None
    try:
        received = control.receive(channel)
        if received is not None:
            request = received[0]
            lease = Lease() if request["untrusted"] else None  # while the file can still be opened
            if request["untrusted"]:
                where = request["problem"]["where"]
                confine(request["folder"], [where if os.path.isdir(where) else os.path.dirname(where)])
            problem = load_source(ProblemSource.from_json(request["problem"]))
            if problem.kernel is not None:
                options = {
                    "tier": request["tier"],
                    "unsafe": request["unsafe"],
                    "hangup_fd": channel.fileno(),
                }
                gpu = stand.find(problem.limits, options) if problem.kernel.is_for_device else None
                sandbox = KernelJudge(
                    problem, secret=bytes.fromhex(request["secret"]), lease=lease, device=gpu, **options
                )
                _limit_memory(problem.limits.output_mib)
                _serve(channel, sandbox, sandbox)
            else:
                harness = Harness(problem.harness or run_source(problem.files), problem.preload)
                sandbox = LinuxSandbox(
                    harness,
                    limits=problem.limits,
                    tier=request["tier"],
                    unsafe=request["unsafe"],
                    hangup_fd=channel.fileno(),
                )
                _limit_memory(problem.limits.output_mib)
                judge = Judge(problem, secret=bytes.fromhex(request["secret"]), sandbox=sandbox)
                _serve(channel, judge, sandbox)
    except ConfineError as error:
        with contextlib.suppress(OSError):
            control.send(channel, _error(SandboxUnavailable(str(error))))
    except (ProblemError, JudgeError, SandboxError) as error:
        with contextlib.suppress(OSError):
            control.send(channel, _error(error))
    except Exception as error:  # noqa: BLE001 - a worker's outermost loop: a fault of ours must not pass for a program's
        with contextlib.suppress(OSError):
            control.send(channel, _error(SandboxError(f"the judge failed: {type(error).__name__}: {error}")))
    finally:
        if sandbox is not None:
            sandbox.close()
    sys.exit(0)


def _serve(channel: socket.socket, judge: Judge | KernelJudge, sandbox: LinuxSandbox | KernelJudge) -> None:
    limits = {"plain": judge.limit_s(), "held_out": judge.limit_s(held_out=True)}
    control.send(channel, {"limits_s": limits, "layers": sandbox.layers})
    while (received := control.receive(channel)) is not None:
        request = received[0]
        program = Program.from_json(request["program"])
        try:
            start = Incumbent.from_json(request["start"]) if request["start"] is not None else None
            evaluation = judge.evaluate(program, held_out=request["held_out"], start=start)
        except JudgeError as error:
            control.send(channel, _error(error))
            continue
        control.send(channel, {"evaluation": evaluation.to_json()})


def _error(error: Exception) -> dict[str, str]:
    kind = next(name for name, known in reversed(_ERRORS.items()) if isinstance(error, known))
    return {"error": kind, "message": str(error)}


def _limit_memory(output_mib: int) -> None:
    """Bounds the judge's own memory: an output that explodes when decoded is an error then, not the end."""
    if sys.platform != "linux":
        return
    used = memory.mapped_bytes()
    limit = used + _MEMORY_BYTES + 32 * (output_mib << 20)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
