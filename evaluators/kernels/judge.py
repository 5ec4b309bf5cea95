"""The judge of kernels: correct first, then timed beside the baseline; the score is what noise cannot have added.

The score is the lower end of the interval of the speed-up over the baseline, in CPU time of the kernel's whole
process. A result is stored only where the baseline against itself came out as equal in the same session; one that
is faster than the machine allows, or than is plausible, is held back. Kernels in C that are correct are built again with
sanitizers, and must be correct in that build, too. Who keeps elites has them measured again, in
new processes with new inputs, before they displace others (`Objective.repeats`, at least 2 for kernels).

Kernels for a GPU are checked in the sandbox, interpreted, whether there is a GPU or not. Where there is one, they are then
checked and timed on it, by the wall-clock time that passes on this side until it is idle; where there is none, a kernel
that is right has no score (`withheld.py`).

Exceptions:
    JudgeError    the task is broken (not the program): its reference, its inputs or its baseline fails
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from evaluators.contract import Evaluation, Program, Status
from evaluators.judging.judge import JudgeError
from evaluators.kernel_task import Dims
from evaluators.kernels import correctness, feedback, hotspots, roofline, rules
from evaluators.kernels.backends.base import Backend, Built, NotBuiltError
from evaluators.kernels.backends.c import CBackend
from evaluators.kernels.backends.python import PythonBackend
from evaluators.kernels.backends.triton import TritonBackend
from evaluators.kernels.device import Device
from evaluators.kernels.lease import Lease
from evaluators.kernels.places import Places
from evaluators.kernels.runner import KernelFailedError
from evaluators.kernels.sessions.session import Sessions
from evaluators.kernels.sessions.timing import PATIENCE, Timer, Timing
from evaluators.kernels.stand import Stand
from evaluators.kernels.statistics import Interval, Precision
from evaluators.kernels.withheld import WITHHELD
from evaluators.problems.loading import Problem
from evaluators.sandbox.base import SandboxError
from evaluators.sandbox.clean import clean, clean_line
from evaluators.text.measures import axis_values

PROTOCOL = 1
"""Version of the way results are come by; stored with each."""

BUDGET_S = 12.0
LEASE_TIMEOUT_S = 600.0
_ATTEMPTS = 3
_SLACK_S = 120.0
_NEAR_BEST = 0.95
BACKENDS: Mapping[str, Backend] = {"c": CBackend(), "python": PythonBackend(), "triton": TritonBackend()}
_NO_GPU = "it is right, but there is no GPU to time it on; run this problem on a machine with one"

T = TypeVar("T")


@dataclass(slots=True)
class _Work:
    """What has been found out about one program so far."""

    program: Program
    rng: np.random.Generator
    built: Built = field(default_factory=Built)
    trials: correctness.Trials = field(default_factory=correctness.Trials)
    sessions: Sessions | None = None
    record: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    kernel_ns: int = 0
    lease_s: float = 0.0
    feedback: list[str] = field(default_factory=list)


class _HeldBackError(Exception):
    """The program is correct, but no score is stored; the message says why."""


class KernelJudge:
    """Judges programs of one kernel problem, one at a time.

    Args:
        problem: declares a kernel.
        secret: what shapes, inputs and rubbish derive from.
        tier, unsafe, hangup_fd: see LinuxSandbox.
        lease: the right to time on this host; owned by the caller. None: one of its own.
        budget_s: how long one comparison may take.
        precision: when a comparison may stop, and when it is believed.
        device: the GPU to time on, for kernels of a GPU.
        backends: the languages.

    Raises:
        SandboxError: no bench starts, or this machine lacks what the problem's language needs.
        JudgeError: the baseline does not build.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        secret: bytes,
        tier: int | None = None,
        unsafe: bool = False,
        hangup_fd: int | None = None,
        lease: Lease | None = None,
        budget_s: float = BUDGET_S,
        precision: Precision = Precision(),  # noqa: B008 - it is frozen
        device: Device | None = None,
        backends: Mapping[str, Backend] = BACKENDS,
    ) -> None:
        if problem.kernel is None:
            raise JudgeError(f"problem {problem.name} declares no KERNEL")
        self._problem, self._task, self._secret = problem, problem.kernel, secret
        self._budget_s, self._precision = budget_s, precision
        self._backends = backends
        self._places = Places(
            problem,
            self._task,
            backends=backends,
            device=device,
            lease=lease,
            options={"tier": tier, "unsafe": unsafe, "hangup_fd": hangup_fd},
        )
        self._count = 0
        self._best = 0.0
        language = self._task.language_of(problem.seed)
        if missing := backends[language].missing(self._places.bench(language)):
            self.close()
            raise SandboxError(missing)

    @property
    def layers(self) -> tuple[str, ...]:
        """Returns the sandbox layers in force."""
        return self._places.layers

    def limit_s(self, *, held_out: bool = False) -> float:
        """Returns how long an evaluation can take at most, the wait for the lease included."""
        comparisons = _ATTEMPTS + 1 + (1 if held_out else 0)
        return comparisons * (PATIENCE * self._budget_s + 60.0) + LEASE_TIMEOUT_S + _SLACK_S

    def close(self) -> None:
        """Ends the benches."""
        self._places.close()

    def evaluate(self, program: Program, *, held_out: bool = False, start: object = None) -> Evaluation:
        """Returns what was learned about `program`. `start` has no meaning here: there is nothing to improve on.

        Raises:
            JudgeError: a function of the task fails, or the baseline does.
            SandboxError: a bench fails, or the machine is never free.
        """
        begun = time.monotonic()
        self._count += 1
        work = _Work(program, self._rng(program))
        status, reason, values = Status.OK, "", dict[str, Any]()
        try:
            self._build(work)
            if self._task.is_for_device:
                self._check_for_device(work)
            else:
                self._check(work, self._places.bench(self._task.language_of(program)))
            if self._task.language_of(program) == "c":
                self._check_traps(work)
            values = self._score(work, held_out=held_out)
            self._find_hot_spots(work, values["score"])
        except NotBuiltError as error:
            status = Status.TIMEOUT if error.timed_out else Status.ERROR
            reason, work.feedback = error.reason, [error.feedback]
        except KernelFailedError as error:
            status, reason = error.status, error.reason
            work.feedback = [error.feedback, work.built.remarks]
        except _HeldBackError as error:
            status, reason, values = Status.REJECTED, str(error), {"metrics": work.metrics}
        wall_s = time.monotonic() - begun
        if work.record:
            work.record["judge_s"] = round(wall_s - work.kernel_ns / 1e9 - work.lease_s, 3)
        return Evaluation(
            status=status,
            reason=clean_line(reason),
            feedback=clean("\n".join(part for part in work.feedback if part)),
            cases_done=work.trials.done,
            cases_total=work.trials.total,
            cpu_s=work.kernel_ns / 1e9,
            wall_s=wall_s,
            layers=self.layers,
            certificate=work.record or None,
            **values,
        )

    # ---- one program

    def _build(self, work: _Work) -> None:
        task, program = self._task, work.program
        language = task.language_of(program)
        if not language:
            allowed = " or ".join(task.languages)
            raise NotBuiltError(f"the entry file {program.entry} is in no language of this task ({allowed})")
        if forbidden := rules.find_forbidden(program, task):
            raise NotBuiltError(forbidden)
        bench = self._places.bench(language)
        if missing := self._backends[language].missing(bench):
            raise SandboxError(missing)
        work.built = self._backends[language].build(bench, program, task)
        work.record = {"protocol": PROTOCOL, "build": dict(work.built.record)}
        work.metrics.update(work.built.metrics)

    def _sessions(self, work: _Work) -> Sessions:
        """Returns the sessions of a program, all of one kind, from which it is told whether it is right and how fast."""
        if work.sessions is None:
            course = self._places.course()
            work.sessions = Sessions(course, work.program, self._precision.least_rounds, work.rng)
        return work.sessions

    def _check(self, work: _Work, stand: Stand) -> None:
        """Runs a session whose times count for nothing; tells of failures as the small trials in order show them."""
        work.trials, again = correctness.Trials(), correctness.Trials()
        sessions = self._sessions(work)
        bands = sessions.clocks.band_bytes
        try:
            self._guarded(lambda: sessions.run(stand, trials=work.trials))
        except KernelFailedError as error:
            if error.status is not Status.TIMEOUT:
                self._guarded(
                    lambda: correctness.check(
                        stand, work.program, self._task, work.rng, again, band_bytes=bands
                    )
                )
            raise
        finally:
            work.kernel_ns += work.trials.kernel_ns + again.kernel_ns

    def _check_for_device(self, work: _Work) -> None:
        """Checks a kernel for a GPU interpreted, checks that kernels do the work, and runs a session on the GPU.

        Raises:
            _HeldBackError: there is no GPU.
        """
        program, task, device = work.program, self._task, self._places.device
        bench = self._places.bench(task.language_of(program))
        self._guarded(lambda: correctness.check(bench, program, task, work.rng, work.trials))
        work.kernel_ns += work.trials.kernel_ns
        self._guarded(lambda: correctness.check_ghost(bench, program, task, work.rng))
        if device is None:
            raise _HeldBackError(WITHHELD + _NO_GPU)
        with self._places.held_lease(LEASE_TIMEOUT_S) as waited_s:
            work.lease_s = waited_s
            work.record["device"] = device.name
            try:
                self._check(work, self._places.timing_place(task.language_of(program)))
            except KernelFailedError as error:
                raise KernelFailedError(
                    error.status, f"on the GPU: {error.reason}", error.feedback
                ) from error

    def _score(self, work: _Work, *, held_out: bool) -> dict[str, Any]:
        with self._places.held_lease(LEASE_TIMEOUT_S) as waited_s:
            work.lease_s += waited_s
            timing, gain = self._time(work, self._sessions(work), self._task.timed)
            self._check_plausible(work, timing, gain)
            metrics = self._metrics(work, timing, gain)
            beside = self._time_held_out(work) if held_out and self._task.held_out else None
        score = metrics[self._problem.objective.name]
        return {
            "score": score,
            "metrics": metrics,
            "measures": axis_values(self._problem.measures, work.program, metrics),
            "held_out": beside,
        }

    def _time(self, work: _Work, sessions: Sessions, dims: tuple[Dims, ...]) -> tuple[Timing, Interval]:
        """Returns samples and the gain, from a session in which the baseline equals itself.

        Raises:
            _HeldBackError: there was none in several attempts.
        """
        stand = self._places.timing_place(self._task.language_of(work.program))
        timer = Timer(sessions, stand, budget_s=self._budget_s, precision=self._precision)
        complaint = ""
        for attempt in range(_ATTEMPTS):
            timing = self._guarded(lambda: timer.time(work.rng))
            work.kernel_ns += timing.kernel_ns
            null = timing.null(work.rng)
            complaint = self._precision.gate(null)
            if timing.rounds < self._precision.least_rounds:
                complaint = f"only {timing.rounds} rounds came about in {timing.seconds:.0f} s"
            work.record.setdefault("timings", []).append(
                {
                    **timing.to_json(),
                    "shapes": [dict(one) for one in dims],
                    "null": [round(value, 4) for value in null.ratios()],
                    "attempt": attempt,
                    "gate": complaint or "passed",
                    "host": _host(),
                }
            )
            if not complaint:
                return timing, timing.gain(work.rng)
        raise _HeldBackError(f"the machine is too noisy to time this, evaluate it again: {complaint}")

    def _check_traps(self, work: _Work) -> None:
        """Runs a session in a build that tells of undefined behaviour; leaves the ordinary build in place.

        Where gcc has AddressSanitizer, it runs in a bench that has it, too.
        """
        bench, stand = self._places.bench("c"), self._places.sanitized()
        ordinary = bench.fetch()
        try:
            parsed = work.built.parsed or work.program
            built = self._backends["c"].build(bench, parsed, self._task, is_checked=True)
            if stand is not bench:
                stand.load(bench.fetch())
            work.record["sanitizers"] = {**built.record, "has_addresses": stand is not bench}
            self._check(work, stand)
        except NotBuiltError as error:
            raise KernelFailedError(
                Status.ERROR, f"with sanitizers it {error.reason}", error.feedback
            ) from error
        except KernelFailedError as error:
            if found := feedback.memory_error(error.feedback):
                where = error.reason[error.reason.rfind("(") :]
                raise KernelFailedError(Status.INVALID, f"AddressSanitizer: {found} {where}") from error
            reason = f"with traps for undefined behaviour: {error.reason}"
            raise KernelFailedError(error.status, reason, error.feedback) from error
        finally:
            bench.load(ordinary)

    def _find_hot_spots(self, work: _Work, score: float) -> None:
        """Adds where a kernel in C spends its instructions, if it is among the fastest that this judge has seen."""
        if self._task.language_of(work.program) != "c" or score < _NEAR_BEST * self._best:
            return
        self._best = max(self._best, score)
        found = self._guarded(lambda: hotspots.find(self._places.bench("c"), work.program, self._task))
        work.feedback.append(found)

    def _check_plausible(self, work: _Work, timing: Timing, gain: Interval) -> None:
        """Holds back what is too good to be true."""
        ratio = gain.ratios()[1]
        work.metrics["speedup_median"] = ratio
        operations, traffic = self._work_of()
        call_s = float(np.median(timing.call_ns)) / 1e9
        share = self._places.peaks().share(operations, traffic, call_s)
        work.metrics["roofline_share"] = share
        if share > roofline.SLACK:
            raise _HeldBackError(
                f"is {share:.2f} times as fast as this machine's peaks allow for its work: look at it first"
            )
        if ratio > self._task.plausible_speedup:
            raise _HeldBackError(
                f"is {ratio:.1f} times as fast as the baseline, beyond {self._task.plausible_speedup:g}: "
                "look at it, and run it on another host, before believing it"
            )

    def _metrics(self, work: _Work, timing: Timing, gain: Interval) -> dict[str, float]:
        low, middle, high = gain.ratios()
        beside = timing.gain_beside(work.rng).ratios()
        share = work.metrics["roofline_share"]
        work.feedback = [
            f"{middle:.3g} times as fast as {self._task.baseline.name} [{low:.3g}, {high:.3g}]; "
            f"{share:.0%} of what memory or arithmetic allow",
            work.built.remarks,
        ]
        work.metrics |= {
            "speedup": low,
            "speedup_median": middle,
            "speedup_high": high,
            f"speedup_{timing.clocks[1]}": beside[1],
            "call_us": float(np.median(timing.call_ns)) / 1e3,
            "rounds": float(timing.rounds),
        }
        missing = [name for name in self._problem.metric_names if name not in work.metrics]
        if missing:
            raise JudgeError(
                f"the objective or a measure asks for {missing[0]!r}, which kernels do not have; "
                f"choose from {', '.join(sorted(work.metrics))}"
            )
        return dict(work.metrics)

    def _time_held_out(self, work: _Work) -> dict[str, float] | None:
        try:
            course = self._places.course(held_out=True)
            sessions = Sessions(course, work.program, self._precision.least_rounds, work.rng)
            timing, gain = self._time(work, sessions, self._task.held_out)
        except (_HeldBackError, KernelFailedError):
            return None
        low, middle, high = gain.ratios()
        return {
            "speedup": low,
            "speedup_median": middle,
            "speedup_high": high,
            "call_us": float(np.median(timing.call_ns)) / 1e3,
        }

    # ---- what all programs share

    def _rng(self, program: Program) -> np.random.Generator:
        text = f"{program.id}/{self._count}".encode()
        digest = hashlib.blake2b(text, key=hashlib.sha256(self._secret).digest(), digest_size=32).digest()
        return np.random.default_rng(np.frombuffer(digest, np.uint32))

    def _work_of(self) -> tuple[float, float]:
        """Returns operations and bytes of a call, averaged over the timed shapes."""
        shapes = self._task.timed
        operations = sum(float(self._task.flops(dims)) for dims in shapes) / len(shapes)
        return operations, sum(float(self._task.traffic(dims)) for dims in shapes) / len(shapes)

    def _guarded(self, call: Callable[[], T]) -> T:
        """Returns what a step returns; an error in a function of the task is the task's.

        Raises:
            JudgeError: a function of the task failed.
        """
        try:
            return call()
        except (KernelFailedError, SandboxError, JudgeError):
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise JudgeError(clean_line(f"the kernel task failed on {what}")) from error


def _host() -> dict[str, Any]:
    """Returns what a reader of the numbers must know of the machine."""
    found: dict[str, Any] = {"cpus": os.cpu_count(), "system": platform.release()}
    with contextlib.suppress(OSError):
        found["load"] = [round(value, 2) for value in os.getloadavg()]
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        found["cpu"] = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), ""
        )
    with contextlib.suppress(OSError):
        with open("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", encoding="utf-8") as file:
            found["governor"] = file.read().strip()
    return found
