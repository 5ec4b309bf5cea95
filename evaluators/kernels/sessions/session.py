"""The one kind of session: whether a program is only checked, is checked with sanitizers, or is timed.

A session starts the program and the baseline twice, in random order, on one processor, and makes in random order: all
small trials; a round at each timed shape, on the inputs whose time counts; and, a random number of times, calls like
those of a round on all kinds of inputs. Every output of the program is checked. So nothing tells a program which
session it is in, nor whether the next call will count, but what is in the call itself.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Program
from evaluators.kernel_task import Dims, Values
from evaluators.kernels import correctness
from evaluators.kernels.arena import Place
from evaluators.kernels.correctness import Trial, Trials
from evaluators.kernels.runner import Call, KernelFailedError, Ran, Runner
from evaluators.kernels.sessions.clocks import Clocks, Sample
from evaluators.kernels.sessions.course import Course, are_same
from evaluators.kernels.stand import Stand

ROLES = ("program", "baseline", "baseline again")
_WARM_UPS = 2
_GROUPS = 2
"""How many requests the small trials of a session are made in."""
_SURPLUS = 1.25
"""How many times over all kinds of inputs are met at all large shapes, on average."""
_LEAST_DECOYS = 6.0
"""How many requests of an evaluation look as if they counted, and do not, on average at least."""
_DEALT_SHARE = 0.75
"""Of the calls of such a request: the others, the first ones of some, are of the kind that counts."""


@dataclass(slots=True)
class Session:
    """What came of one."""

    samples: list[Sample] = field(default_factory=list)
    call_ns: list[float] = field(default_factory=list)
    kernel_ns: int = 0


class Sessions:
    """The sessions of one evaluation.

    Args:
        course: what they share with those of other programs.
        program: the program.
        least: how many there will be at least, counted in rounds: all kinds of inputs are spread over them.
        rng: of all that is drawn.
    """

    def __init__(self, course: Course, program: Program, least: int, rng: np.random.Generator) -> None:
        self._course, self._program, self._least, self._rng = course, program, least, rng
        self._decks: dict[int, list[str]] = {shape: [] for shape in range(len(course.shapes))}
        has_kinds = set(course.task.distributions) != {course.kind(0)}
        of_timed = len(course.task.distributions) if has_kinds else 0
        self._wanted = {shape: of_timed if shape < len(course.timed) else 1 for shape in self._decks}
        self._missing = dict(self._wanted)
        self.rounds = 0
        self._number = 0

    @property
    def clocks(self) -> Clocks:
        """Returns what is read."""
        return self._course.clocks

    @property
    def repeats(self) -> int:
        """Returns how many calls make a sample."""
        return self._course.repeats

    def run(self, stand: Stand, *, trials: Trials | None = None, is_last: bool = False) -> Session:
        """Runs one, with the program in its place `stand`.

        Args:
            stand: where the program runs.
            trials: told how far the small trials came.
            is_last: what has not been met yet must be met now.

        Raises:
            KernelFailedError: the program failed in a call, or its output was wrong.
        """
        course, rng = self._course, self._rng
        course.calibrate(rng)
        small, repeats = correctness.draw(course.task, rng)
        session, state = Session(), trials or Trials()
        state.done, state.total = 0, len(small) + 1
        groups = [
            [small[number] for number in part]
            for part in np.array_split(rng.permutation(len(small)), _GROUPS)
        ]
        small_slots = _small_slots(groups, repeats)
        runners: dict[int, Runner] = {}
        try:
            self._start(runners, stand, small_slots)
            self.rounds = self.rounds or course.rounds(runners[0].load_ns)
            times = np.zeros((2, self.rounds, len(course.timed), len(ROLES)))
            one = _Run(course, runners, rng, times, len(small_slots))
            steps: list[Callable[[_Run], None]] = self._large_steps(is_last=is_last)
            steps += [functools.partial(_make_small, group, state) for group in groups]
            steps.append(functools.partial(_repeat_small, repeats, state))
            for number in rng.permutation(len(steps)).tolist():
                steps[number](one)
            runners[0].check_untouched()
            session.samples = one.samples()
            session.call_ns = (one.times[0, :, :, 0].mean(axis=1) / course.repeats).tolist()
        except KernelFailedError as error:
            raise error.after(state.done, state.total) from error
        finally:
            session.kernel_ns = sum(runner.calls_ns for runner in runners.values())
            state.kernel_ns += session.kernel_ns
            for runner in runners.values():
                runner.close()
        self._number += self.rounds
        return session

    def _start(self, runners: dict[int, Runner], stand: Stand, small_slots: Sequence[Sequence[Dims]]) -> None:
        """Starts program and baselines in random order: who comes first is slower for a while."""
        course, rng = self._course, self._rng
        cpu = int(rng.choice(sorted(os.sched_getaffinity(0))))  # one for all: they are not equally fast
        baseline = course.task.baseline.program
        places = (stand, self._program), (course.baseline, baseline), (course.baseline, baseline)
        for role in rng.permutation(len(ROLES)).tolist():
            place, text = places[role]
            runners[role] = Runner(
                place,
                role,
                text,
                course.task,
                slots=(*(small_slots if role == 0 else ()), *[course.shapes] * course.repeats),
                cpu=cpu,
                band_bytes=course.clocks.band_bytes,
            )

    def _large_steps(self, *, is_last: bool) -> list[Callable[[_Run], None]]:
        """Returns the rounds of one session, and the calls like them that count for nothing."""
        course, rng = self._course, self._rng
        steps: list[Callable[[_Run], None]] = []
        for number in range(self.rounds):
            kind = course.kind(self._number + number)
            steps += [
                functools.partial(_make_round, number, shape, kind) for shape in range(len(course.timed))
            ]
        sessions = max(1.0, self._least / self.rounds)
        for shape, wanted in self._wanted.items():
            if not wanted:
                continue
            per_request = max(1.0, _DEALT_SHARE * course.repeats)
            mean = max(_SURPLUS * math.ceil(wanted / per_request), _LEAST_DECOYS / len(course.shapes))
            for _ in range(int(rng.poisson(mean / sessions))):
                steps.append(functools.partial(_make_calls, shape, self._mix(shape)))
            while is_last and self._missing[shape] > 0:
                steps.append(functools.partial(_make_calls, shape, self._mix(shape)))
        return steps

    def _mix(self, shape: int) -> list[str]:
        """Returns the kinds of one request that counts for nothing: one cannot tell by how it begins."""
        repeats, rng = self._course.repeats, self._rng
        leading = int(rng.integers(1, repeats)) if repeats > 1 and rng.random() < 0.5 else 0
        return [self._course.kind(0)] * leading + [self._deal(shape) for _ in range(repeats - leading)]

    def _deal(self, shape: int) -> str:
        """Returns a kind of input; each comes once before one comes again."""
        deck = self._decks[shape]
        if not deck:
            deck += self._rng.permutation(self._course.task.distributions).tolist()
        self._missing[shape] -= 1
        return deck.pop()


@dataclass(slots=True)
class _Run:
    """One session under way.

    `times`: what counts and what is told beside it, by round, shape and role, in ns. The program's first `small_slots`
    slots are for small trials.
    """

    course: Course
    runners: Mapping[int, Runner]
    rng: np.random.Generator
    times: NDArray[np.float64]
    small_slots: int
    warm: set[int] = field(default_factory=set)

    def call(self, shape: int, batch: Sequence[Values], kinds: Sequence[str]) -> dict[int, Ran]:
        """Calls all on the same inputs, one process after the other in random order; checks what the program made."""
        self._warm_up(shape)
        ran = self._call_all(shape, batch)
        for values, kind, outputs in zip(batch, kinds, ran[0].all_outputs, strict=True):
            self.course.check(shape, kind, values, outputs)
        return ran

    def samples(self) -> list[Sample]:
        """Returns the samples of all rounds."""
        means = np.exp(np.log(self.times).mean(axis=2))
        return [
            Sample(*(tuple(float(value) for value in mean[number]) for mean in means))
            for number in range(means.shape[1])
        ]

    def _warm_up(self, shape: int) -> None:
        """Calls each kernel as it will be called, before the first call at a shape."""
        if shape in self.warm:
            return
        self.warm.add(shape)
        large = self.course.warm(shape, self.rng)
        for _ in range(_WARM_UPS):
            ran = self._call_all(shape, [large.values] * self.course.repeats)
            first, *others = ran[0].all_outputs
            for outputs in (first, *(one for one in others if not are_same(one, first))):
                self.course.judge(large, shape, self.course.kind(0), outputs)

    def _call_all(self, shape: int, batch: Sequence[Values]) -> dict[int, Ran]:
        dims, rng = self.course.shapes[shape], self.rng
        place: Place = "end" if rng.random() < 0.5 else "start"
        calls = [Call(values, dims, place) for values in batch]
        return {
            role: self.runners[role].run(
                calls, rng, slot=self.small_slots if role == 0 else 0, is_judged=role == 0
            )
            for role in rng.permutation(len(ROLES)).tolist()
        }


def _small_slots(groups: Sequence[Sequence[Trial]], repeats: Trial) -> list[tuple[Dims, ...]]:
    """Returns the shapes that each slot for small trials must have room for: any of them."""
    most = max(sum(len(trial.calls) for trial in group) for group in groups)
    sizes = tuple(call.dims for group in (*groups, [repeats]) for trial in group for call in trial.calls)
    return [sizes] * most


def _make_small(group: Sequence[Trial], state: Trials, one: _Run) -> None:
    outputs = iter(one.runners[0].run([call for trial in group for call in trial.calls], one.rng).all_outputs)
    for trial in group:
        trial.judge([next(outputs) for _ in trial.calls])
        state.done += 1


def _repeat_small(trial: Trial, state: Trials, one: _Run) -> None:
    correctness.run_singly(one.runners[0], trial, one.rng)
    state.done += 1


def _make_round(number: int, shape: int, kind: str, one: _Run) -> None:
    course = one.course
    batch = [course.task.make_inputs(one.rng, course.shapes[shape], kind) for _ in range(course.repeats)]
    for role, ran in one.call(shape, batch, [kind] * course.repeats).items():
        one.times[:, number, shape, role] = course.clocks.read(ran)


def _make_calls(shape: int, kinds: Sequence[str], one: _Run) -> None:
    dims = one.course.shapes[shape]
    one.call(shape, [one.course.task.make_inputs(one.rng, dims, kind) for kind in kinds], kinds)
