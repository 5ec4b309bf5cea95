"""How long a kernel takes beside its baseline: interleaved, frozen when not in turn, every output checked.

A round calls the program once and the baseline twice (in two processes), in random order, on the same new content,
and again for each timed shape; the two baselines against each other tell whether this machine can be believed now.
Every round has new processes (several rounds, where a program takes long to load), so that a lucky layout of memory is
one vote of many. They are started and warmed up in random order, too: who comes first is slower for a while (9 % of a
NumPy softmax of 1.6 ms, over 60 sessions on an Intel Xeon).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np

from evaluators.contract import Program, Status
from evaluators.kernels import statistics
from evaluators.kernels.arena import slot_bytes
from evaluators.kernels.runner import KernelFailedError, Ran, Runner
from evaluators.kernels.stand import Stand
from evaluators.kernels.statistics import Interval, Precision
from evaluators.kernels.task import Dims, KernelTask
from evaluators.kernels.tolerance import Expected, expect, find_fault

PATIENCE = 5
"""How many times the budget a comparison may take to come to the least number of rounds."""

_SLOW_LOADING_NS = 100_000_000
_ROUNDS, _ROUNDS_IF_SLOW = 1, 6
"""Per session."""
_WARM_UPS = 2
_LOOK_EVERY = 3
_ROLES = ("program", "baseline", "baseline again")


@dataclass(frozen=True, slots=True)
class Benches:
    """Where the program runs, and where the baseline does."""

    program: Stand
    baseline: Stand


@dataclass(frozen=True, slots=True)
class Clocks:
    """What is read, and how long for.

    Attributes:
        names: what counts, and what is told beside it; of "cpu", "wall" (both read by the stand) and "events" (what the
            child says that the GPU took).
        least_sample_ns: how long the baseline's calls of one sample take at least; shorter calls are repeated.
        most_repeats, most_bytes: bounds on the calls of a sample, and on the memory of their buffers.
        band_bytes: of rubbish between buffers, see `Arena`.
    """

    names: tuple[str, str]
    least_sample_ns: int
    most_repeats: int
    most_bytes: int
    band_bytes: int = 0

    def read(self, ran: Ran) -> tuple[int, int]:
        """Returns what counts and what is told beside it, in ns.

        Raises:
            KernelFailedError: the GPU took longer, the child says, than passed.
        """
        if ran.event_ns > _EVENTS_SLACK * ran.wall_ns:
            told = f"{ran.event_ns} ns of its own clock in {ran.wall_ns} ns"
            raise KernelFailedError(Status.INVALID, f"a timed call took {told}: its clock was tampered with")
        known = {"cpu": ran.cpu_ns, "wall": ran.wall_ns, "events": ran.event_ns}
        counted, beside = (max(1, known[name]) for name in self.names)
        return counted, beside


PROCESSOR = Clocks(("cpu", "wall"), least_sample_ns=8_000_000, most_repeats=16, most_bytes=64 << 20)
GPU = Clocks(
    ("wall", "events"), least_sample_ns=5_000_000, most_repeats=64, most_bytes=512 << 20, band_bytes=4096
)
"""A GPU's work has no CPU time; its wall-clock time is the judge's, from waking the child until the GPU is idle."""
_EVENTS_SLACK = 1.02


@dataclass(frozen=True, slots=True)
class Sample:
    """One round: times per role, in ns, summed over calls, averaged (geometric mean) over shapes; see `Clocks`."""

    counted: tuple[float, ...]
    beside: tuple[float, ...]

    @property
    def gain(self) -> float:
        """Returns log(baseline / program) of the times that count."""
        program, one, other = (math.log(value) for value in self.counted)
        return (one + other) / 2 - program

    @property
    def gain_beside(self) -> float:
        """Returns the same of the other times."""
        program, one, other = (math.log(value) for value in self.beside)
        return (one + other) / 2 - program

    @property
    def null(self) -> float:
        """Returns log(baseline again / baseline) of the times that count: zero but for noise."""
        return math.log(self.counted[2]) - math.log(self.counted[1])


@dataclass(slots=True)
class Timing:
    """Samples by session, and what became of them."""

    clocks: tuple[str, str] = PROCESSOR.names
    sessions: list[list[Sample]] = field(default_factory=list)
    repeats: int = 1
    rounds_per_session: int = _ROUNDS
    kernel_ns: int = 0
    seconds: float = 0.0
    call_ns: list[float] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """Returns the number of rounds."""
        return sum(map(len, self.sessions))

    def gain(self, rng: np.random.Generator) -> Interval:
        """Returns the interval of the program's gain in the time that counts."""
        return statistics.bootstrap([[one.gain for one in group] for group in self.sessions], rng)

    def null(self, rng: np.random.Generator) -> Interval:
        """Returns the interval of the baseline's gain over itself."""
        return statistics.bootstrap([[one.null for one in group] for group in self.sessions], rng)

    def gain_beside(self, rng: np.random.Generator) -> Interval:
        """Returns the interval of the program's gain in the other time."""
        return statistics.bootstrap([[one.gain_beside for one in group] for group in self.sessions], rng)

    def to_json(self) -> dict[str, Any]:
        """Returns the raw samples: per session, per round, microseconds of each clock per role."""
        counted, beside = self.clocks
        return {
            "roles": list(_ROLES),
            "repeats": self.repeats,
            f"{counted}_us": [[_microseconds(one.counted) for one in group] for group in self.sessions],
            f"{beside}_us": [[_microseconds(one.beside) for one in group] for group in self.sessions],
        }


def _microseconds(times: tuple[float, ...]) -> list[float]:
    return [round(value / 1e3, 1) for value in times]


class Timer:
    """Times programs of one task against its baseline.

    Args:
        task: the task.
        dims: the shapes, all in each round.
        benches: where to run; the baseline's is loaded with the baseline already.
        budget_s: when to stop adding rounds, unless the baseline against itself is not known well enough by then;
            after `PATIENCE` times as long it ends in any case.
        precision: when to stop before.
        clocks: what to read.
        now: what the budget goes by, in seconds.
    """

    def __init__(
        self,
        task: KernelTask,
        dims: tuple[Dims, ...],
        benches: Benches,
        *,
        budget_s: float,
        precision: Precision,
        clocks: Clocks = PROCESSOR,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._task, self._dims, self._benches, self._budget_s = task, dims, benches, budget_s
        self._precision, self._clocks, self._now = precision, clocks, now
        self.repeats_most = max(1, min(clocks.most_repeats, clocks.most_bytes // slot_bytes(task, dims)))
        self._limits: dict[tuple[int, str], Mapping[str, tuple[float, float]] | None] = {}

    def time(self, program: Program, rng: np.random.Generator) -> Timing:
        """Returns samples until gain and machine are known well enough, or rounds or time are used up.

        Raises:
            KernelFailedError: the program failed in a timed call, or its output was wrong.
        """
        timing = Timing(self._clocks.names)
        begun = self._now()
        while timing.rounds < self._precision.most_rounds:
            spent_s = self._now() - begun
            if spent_s > PATIENCE * self._budget_s or (
                spent_s > self._budget_s and self._has_enough(timing, rng)
            ):
                break
            self._run_session(program, timing, rng)
            if (
                timing.rounds % _LOOK_EVERY == 0
                and self._precision.is_reached(timing.gain(rng), timing.rounds)
                and self._has_enough(timing, rng)
            ):
                break
        timing.seconds = self._now() - begun
        return timing

    def _has_enough(self, timing: Timing, rng: np.random.Generator) -> bool:
        """Returns whether there is enough to tell if this machine can be believed. What the program gained has no say."""
        return timing.rounds >= self._precision.least_rounds and self._precision.is_telling(timing.null(rng))

    def _run_session(self, program: Program, timing: Timing, rng: np.random.Generator) -> None:
        runners: dict[int, Runner] = {}
        cpu = int(rng.choice(sorted(os.sched_getaffinity(0))))  # one for all: they are not equally fast
        program_at, baseline_at = self._benches.program, self._benches.baseline
        baseline = self._task.baseline.program
        roles = ((program_at, program), (baseline_at, baseline), (baseline_at, baseline))
        try:
            for role in rng.permutation(len(roles)).tolist():
                stand, text = roles[role]
                runners[role] = Runner(
                    stand,
                    role,
                    text,
                    self._task,
                    dims=self._dims,
                    slots=self.repeats_most,
                    cpu=cpu,
                    band_bytes=self._clocks.band_bytes,
                )
            warm_ns = self._warm_up(runners, timing.repeats, rng)
            if not timing.sessions:
                wanted = math.ceil(self._clocks.least_sample_ns / max(1, warm_ns))
                timing.repeats = max(1, min(self.repeats_most, wanted))
                load_ns = max(runners[0].load_ns, min(runners[1].load_ns, runners[2].load_ns))
                timing.rounds_per_session = _ROUNDS_IF_SLOW if load_ns > _SLOW_LOADING_NS else _ROUNDS
                self._warm_up(runners, timing.repeats, rng)
            samples: list[Sample] = []
            timing.sessions.append(samples)
            for _ in range(timing.rounds_per_session):
                samples.append(self._run_round(runners, timing, rng))
            runners[0].check_untouched()
        finally:
            timing.kernel_ns += sum(runner.calls_ns for runner in runners.values())
            for runner in runners.values():
                runner.close()

    def _warm_up(self, runners: Mapping[int, Runner], repeats: int, rng: np.random.Generator) -> float:
        """Calls each kernel at each shape as it will be called; returns the baseline's mean time, in ns."""
        last = []
        for dims in self._dims:
            batch = [self._task.make_inputs(rng, dims, self._distribution(0))] * repeats
            for role in rng.permutation(len(runners)).tolist():
                times = [
                    self._clocks.read(runners[role].run(batch, dims, rng, is_judged=False))[0]
                    for _ in range(_WARM_UPS)
                ]
                if role == len(runners) - 1:
                    last.append(times[-1] / repeats)
        return fmean(last)

    def _run_round(self, runners: Mapping[int, Runner], timing: Timing, rng: np.random.Generator) -> Sample:
        counted, beside = np.zeros((len(self._dims), 3)), np.zeros((len(self._dims), 3))
        name = self._distribution(timing.rounds)
        for shape, dims in enumerate(self._dims):
            batch = [self._task.make_inputs(rng, dims, name) for _ in range(timing.repeats)]
            ran = {
                int(role): runners[role].run(batch, dims, rng, is_judged=role == 0)
                for role in rng.permutation(3)
            }
            for role, one in ran.items():
                counted[shape, role], beside[shape, role] = self._clocks.read(one)
            for values, outputs in zip(batch, ran[0].all_outputs, strict=True):
                fault = find_fault(self._task, self._expect((shape, name), values, dims), outputs)
                if fault is not None:
                    raise KernelFailedError(Status.INVALID, f"{fault.what} in a timed call, {name} inputs")
        timing.call_ns.append(float(counted[:, 0].mean()) / timing.repeats)
        means = [np.exp(np.log(times).mean(axis=0)) for times in (counted, beside)]
        return Sample(*(tuple(float(value) for value in mean) for mean in means))

    def _expect(self, kind: tuple[int, str], values: Any, dims: Dims) -> Expected:
        """Returns the exact outputs; how far off a kernel may be is found once per shape and kind of input."""
        expected = expect(self._task, values, dims, self._limits.get(kind))
        self._limits.setdefault(kind, expected.limits)
        return expected

    def _distribution(self, number: int) -> str:
        names = self._task.timed_distributions or self._task.distributions[:1]
        return names[number % len(names)]
