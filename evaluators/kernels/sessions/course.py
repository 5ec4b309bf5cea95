"""What all sessions of a judge at some shapes share: places, clocks, how many calls make a sample, and what is due."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Status
from evaluators.judging.judge import JudgeError
from evaluators.kernel_task import Dims, KernelTask, Outputs, Values
from evaluators.kernels.arena import slot_bytes
from evaluators.kernels.runner import Call, KernelFailedError, Runner
from evaluators.kernels.sessions.clocks import Clocks
from evaluators.kernels.stand import Stand
from evaluators.kernels.tolerance import Expected, expect, find_fault

_CHILD = 0
_CALLS = 3
_SLOW_LOADING_NS = 100_000_000
_ROUNDS, _ROUNDS_IF_SLOW = 1, 6
"""Per session."""


@dataclass(frozen=True, slots=True)
class Large:
    """Inputs at a large shape, and what is due for them."""

    values: Values
    expected: Expected


@dataclass(slots=True)
class Course:
    """The large shapes of a task, and what has been found out about them. The baseline is loaded in its place.

    Attributes:
        task: the task.
        timed: the shapes at which speed counts, all in each round.
        others: large shapes at which kernels must be right, too.
        baseline: where the baseline runs.
        clocks: what to read.
        repeats: how many calls make a sample: as many as the baseline needs to fill the least sample; 0: not known yet.
    """

    task: KernelTask
    timed: tuple[Dims, ...]
    others: tuple[Dims, ...]
    baseline: Stand
    clocks: Clocks
    repeats: int = 0
    _load_ns: int = 0
    _limits: dict[tuple[int, str], Mapping[str, tuple[float, float]] | None] = field(default_factory=dict)
    _warm: dict[int, Large] = field(default_factory=dict)

    @property
    def shapes(self) -> tuple[Dims, ...]:
        """Returns all large shapes."""
        return (*self.timed, *self.others)

    @property
    def most_repeats(self) -> int:
        """Returns how many calls the memory for a sample allows."""
        fitting = self.clocks.most_bytes // slot_bytes(self.task, self.shapes)
        return max(1, min(self.clocks.most_repeats, fitting))

    def kind(self, number: int) -> str:
        """Returns which kind of input counts in a round."""
        names = self.task.timed_distributions or self.task.distributions[:1]
        return names[number % len(names)]

    def rounds(self, load_ns: int) -> int:
        """Returns how many rounds a session has, for a program that took so long to load."""
        return _ROUNDS_IF_SLOW if max(load_ns, self._load_ns) > _SLOW_LOADING_NS else _ROUNDS

    def calibrate(self, rng: np.random.Generator) -> None:
        """Finds out how many calls make a sample, by the baseline alone: no program is called before it is known.

        Raises:
            JudgeError: the baseline failed.
        """
        if not self.repeats:
            try:
                self._calibrate(rng)
            except KernelFailedError as error:
                raise JudgeError(f"the baseline fails: {error.reason}\n{error.feedback}") from error

    def _calibrate(self, rng: np.random.Generator) -> None:
        runner = Runner(
            self.baseline,
            _CHILD,
            self.task.baseline.program,
            self.task,
            slots=(self.timed,),
            band_bytes=self.clocks.band_bytes,
        )
        try:
            self._load_ns = runner.load_ns
            last = []
            for dims in self.timed:
                call = Call(self.task.make_inputs(rng, dims, self.kind(0)), dims)
                times = [self.clocks.read(runner.run([call], rng, is_judged=False))[0] for _ in range(_CALLS)]
                last.append(times[-1])
        finally:
            runner.close()
        wanted = math.ceil(self.clocks.least_sample_ns / max(1.0, fmean(last)))
        self.repeats = max(1, min(self.most_repeats, wanted))

    def warm(self, shape: int, rng: np.random.Generator) -> Large:
        """Returns the inputs with which processes are warmed up: they differ in nothing but that they are met again."""
        if shape not in self._warm:
            dims = self.shapes[shape]
            values = self.task.make_inputs(rng, dims, self.kind(0))
            self._warm[shape] = Large(values, expect(self.task, values, dims))
        return self._warm[shape]

    def check(self, shape: int, kind: str, values: Values, outputs: Outputs) -> None:
        """Checks what a kernel made of some inputs at a large shape.

        How far off a kernel may be is found once per shape and kind of input; where that is exceeded, for these very inputs.

        Raises:
            KernelFailedError: it is wrong.
        """
        known = self._limits.get((shape, kind))
        expected = expect(self.task, values, self.shapes[shape], known)
        self._limits.setdefault((shape, kind), expected.limits)
        self.judge(Large(values, expected), shape, kind, outputs, is_own=known is None)

    def judge(self, large: Large, shape: int, kind: str, outputs: Outputs, *, is_own: bool = True) -> None:
        """Checks outputs against what is due; `is_own`: whether the tolerance belongs to these very inputs.

        Raises:
            KernelFailedError: they are wrong.
        """
        fault = find_fault(self.task, large.expected, outputs)
        if fault is not None and not is_own:
            own = expect(self.task, large.values, self.shapes[shape])
            fault = find_fault(self.task, own, outputs)
        if fault is not None:
            where = "a timed shape" if shape < len(self.timed) else "a large shape"
            raise KernelFailedError(Status.INVALID, f"{fault.what} on {where}, {kind} inputs")


def are_same(one: Mapping[str, NDArray[np.generic]], other: Mapping[str, NDArray[np.generic]]) -> bool:
    """Returns whether outputs are the same, bit by bit."""
    return all(
        np.array_equal(array.view(np.uint8), other[name].view(np.uint8)) for name, array in one.items()
    )
